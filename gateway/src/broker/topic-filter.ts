const MAX_LEVELS = 100;
const MAX_LENGTH = 1024;

/** @see MQTT 3.1.1 §4.7.1: `#` only as the last level, `+` only as a whole level */
export function isTopicFilter(filter: string): boolean {
  if (filter.length === 0 || filter.length > MAX_LENGTH || filter.includes('\0')) return false;
  const levels = filter.split('/');
  if (levels.length > MAX_LEVELS) return false;
  return levels.every((level, at) => {
    if (level === '#') return at === levels.length - 1;
    return level === '+' || !/[#+]/.test(level);
  });
}

export function isTopicName(topic: string): boolean {
  return isTopicFilter(topic) && !hasWildcard(topic);
}

export function hasWildcard(filter: string): boolean {
  return filter.includes('#') || filter.includes('+');
}

/**
 * Whether a message on `topic` reaches a subscriber of `filter`.
 * @see MQTT 3.1.1 §4.7.2: a leading wildcard does not match topics that begin with `$`
 */
export function topicMatches(filter: string, topic: string): boolean {
  return filterCovers(filter, topic);
}

/** Whether every topic that `inner` can match is matched by `outer` too. A plain topic is a filter of itself. */
export function filterCovers(outer: string, inner: string): boolean {
  if (outer === inner) return true;
  if (inner.startsWith('$') && /^[#+]/.test(outer)) return false;
  const wide = outer.split('/');
  const narrow = inner.split('/');
  for (let at = 0; at < wide.length; at++) {
    const level = wide[at];
    if (level === '#') return true;
    const other = narrow[at];
    if (other === undefined || other === '#') return false;
    if (level !== '+' && level !== other) return false;
  }
  return narrow.length === wide.length;
}
