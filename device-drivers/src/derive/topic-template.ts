import { InvalidInputError } from '@millwright/protocol';

export const DEFAULT_POINT_TOPIC = 'mw/{site}/{device}/{point}';
export const DEFAULT_AVAILABILITY_TOPIC = 'mw/{site}/{device}';
/** No device can be called `$gateway`. */
export const DEFAULT_PRESENCE_TOPIC = 'mw/{site}/$gateway/{gateway}';

const VARIABLES = ['site', 'gateway', 'device', 'point'] as const;
export type TopicVariable = (typeof VARIABLES)[number];
export type TopicNames = Readonly<Partial<Record<TopicVariable, string>>>;

/**
 * Says what is wrong with a topic template, or nothing.
 * @param needed variables that must be there, each a level of its own: then no two points share a topic
 */
export function topicTemplateProblem(template: string, needed: readonly TopicVariable[]): string | undefined {
  const levels = template.split('/');
  if (template.length > 300) return 'is longer than 300 characters';
  if (/[+#\p{Cc}]/u.test(template)) return 'must not contain "+", "#" or control characters';
  if (template.startsWith('$')) return 'must not begin with "$": those topics belong to the broker';
  if (levels.includes('')) return 'must not have an empty level';
  for (const [, name = ''] of template.matchAll(/\{([^}]*)\}/g)) {
    if (!VARIABLES.some((known) => known === name)) {
      return `knows no {${name.slice(0, 40)}}; there are ${VARIABLES.map((known) => `{${known}}`).join(', ')}`;
    }
  }
  const missing = needed.find((name) => !levels.includes(`{${name}}`));
  if (missing !== undefined) return `needs {${missing}} as a level of its own, such as "mw/{device}/{point}"`;
  const tooMany = VARIABLES.find(
    (name) => !needed.includes(name) && isOfDevice(name) && template.includes(`{${name}}`),
  );
  return tooMany === undefined ? undefined : `must not contain {${tooMany}}`;
}

function isOfDevice(name: TopicVariable): boolean {
  return name === 'device' || name === 'point';
}

/** @throws InvalidInputError `TOPIC_VARIABLE` for a variable that has no value here */
export function fillTopic(template: string, names: TopicNames): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: TopicVariable) => {
    const value = names[name];
    if (value !== undefined) return value;
    throw new InvalidInputError('TOPIC_VARIABLE', `topic "${template}": nothing is known for ${whole}`);
  });
}
