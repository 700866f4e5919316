// The merged view of all regions. No data comes with the page: it is fetched with the access token.
const REFRESH_MS = 3000;
const byId = (id) => document.getElementById(id);

const handed = new URLSearchParams(location.hash.slice(1)).get('token');
if (handed) {
  sessionStorage.setItem('token', handed);
  history.replaceState(null, '', '/');
}

byId('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem('token', byId('token').value.trim());
  void refresh();
});

/** An element with text or children; text is never parsed as HTML. */
function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...[content].flat());
  return made;
}

function age(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 129600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

function table(caption, head, rows) {
  return element(
    'div',
    element('table', [
      element('caption', caption, { class: 'quiet' }),
      element(
        'thead',
        element(
          'tr',
          head.map((text) => element('th', text, { scope: 'col' })),
        ),
      ),
      element(
        'tbody',
        rows.map((cells) =>
          element(
            'tr',
            cells.map((cell) => element('td', cell)),
          ),
        ),
      ),
    ]),
    { class: 'table', tabindex: '0', role: 'region', 'aria-label': caption },
  );
}

const status = (online) => element('span', online ? 'online' : 'offline', online ? {} : { class: 'offline' });

function region(view, nowMs) {
  const gatewayNames = new Map(view.gateways.map((gateway) => [gateway.id, gateway.name]));
  return element(
    'section',
    [
      element('header', [
        element('h2', view.region),
        element(
          'p',
          view.isStale
            ? `last heard ${age(view.newsAgeMs)} ago: may no longer be true`
            : `heard ${age(view.newsAgeMs)} ago`,
          { class: view.isStale ? 'stale' : 'quiet' },
        ),
      ]),
      table(
        'Gateways',
        ['Gateway', 'Site', 'Status', 'Devices', 'Frames', 'Gaps', 'Last seen'],
        view.gateways.map((gateway) => [
          gateway.name,
          gateway.site,
          status(gateway.online),
          String(gateway.devices),
          gateway.frames.toLocaleString(),
          String(gateway.gaps),
          `${age(nowMs - gateway.lastSeenMs)} ago`,
        ]),
      ),
      table(
        'Devices',
        ['Device', 'Gateway', 'Driver', 'Status'],
        view.devices.map((device) => [
          device.name,
          gatewayNames.get(device.gateway) ?? device.gateway,
          device.driver,
          status(device.online),
        ]),
      ),
    ],
    { 'aria-label': `Region ${view.region}` },
  );
}

function show(merged) {
  byId('sign-in').hidden = true;
  byId('totals').hidden = false;
  const { totals } = merged;
  const figures = [
    ['Gateways online', `${totals.gatewaysOnline} / ${totals.gateways}`],
    ['Devices online', `${totals.devicesOnline} / ${totals.devices}`],
    ['Active alarms', String(totals.alarmsActive)],
    ['Gaps', String(totals.gaps)],
    ['Samples kept', totals.samples.toLocaleString()],
  ];
  byId('totals').replaceChildren(
    ...figures.map(([term, value]) => element('div', [element('dt', term), element('dd', value)])),
  );
  byId('as-of').textContent = `as of ${new Date(merged.atMs).toLocaleTimeString()}`;
  byId('regions').replaceChildren(
    ...(merged.regions.length === 0
      ? [
          element(
            'p',
            'No region has reported yet. A region reports when its region.yaml has a cloud block.',
            { class: 'quiet' },
          ),
        ]
      : merged.regions.map((view) => region(view, merged.atMs))),
  );
}

async function refresh() {
  try {
    const response = await fetch('/api/v1/regions', {
      headers: { authorization: `Bearer ${sessionStorage.getItem('token') ?? ''}` },
    });
    if (response.status === 401) {
      byId('sign-in').hidden = false;
      byId('as-of').textContent = sessionStorage.getItem('token')
        ? 'That token is not right.'
        : 'Sign in to see the regions.';
      return;
    }
    if (!response.ok) throw new Error(`the cloud answered ${response.status}`);
    show(await response.json());
  } catch (error) {
    byId('as-of').textContent = `Not reachable (${error.message}); trying again.`;
  }
}

await refresh();
setInterval(refresh, REFRESH_MS);
