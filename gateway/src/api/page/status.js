const REFRESH_MS = 2000;
const PATIENCE_MS = 8000;

/** Makes `from` look like `to`, changing only what differs: focus, selection and scrolling stay where they are. */
function adopt(from, to) {
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || from.id !== to.id) {
    from.replaceWith(to);
    return;
  }
  if (from.nodeType === Node.TEXT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) return;
  for (const { name } of [...from.attributes]) if (!to.hasAttribute(name)) from.removeAttribute(name);
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  const [old, fresh] = [[...from.childNodes], [...to.childNodes]];
  for (const [at, node] of fresh.entries()) {
    if (old[at] === undefined) from.append(node);
    else adopt(old[at], node);
  }
  for (const node of old.slice(fresh.length)) node.remove();
}

async function refresh() {
  const stale = document.getElementById('stale');
  try {
    const response = await fetch(location.href, {
      cache: 'no-store',
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (response.status === 401) {
      location.reload();
      return;
    }
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    const next = page.querySelector('#main');
    if (!response.ok || next === null) throw new Error(`answered ${response.status}`);
    for (const part of ['header', '#main']) {
      const [from, to] = [document.querySelector(part), page.querySelector(part)];
      if (from !== null && to !== null) adopt(from, document.adoptNode(to));
    }
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
}

/** One after the other, and none while nobody looks. */
async function watch() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
    if (!document.hidden) await refresh();
  }
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void refresh();
});
void watch();
