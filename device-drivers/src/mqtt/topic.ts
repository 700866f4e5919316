import { InvalidInputError } from '@millwright/protocol';

/** Does an MQTT topic filter match a topic? @see MQTT 5.0 §4.7, with the rule for `$` topics in §4.7.2 */
export function topicMatches(filter: string, topic: string): boolean {
  if (filter === topic) return true;
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false;
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i] === '#') return true;
    if (i >= levels.length || (wanted[i] !== '+' && wanted[i] !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

export function hasWildcard(filter: string): boolean {
  return /[+#]/.test(filter);
}

/**
 * Replaces a leading `~` by the device's base topic.
 * @throws InvalidInputError `TOPIC_BASE_MISSING`
 */
export function expandTopic(topic: string, base: string | undefined): string {
  if (!topic.startsWith('~')) return topic;
  if (base === undefined) {
    throw new InvalidInputError(
      'TOPIC_BASE_MISSING',
      `topic "${topic}" starts with "~" but the device has no base`,
      {
        hint: 'add "base" to the device\'s connect block',
      },
    );
  }
  return base + topic.slice(1);
}
