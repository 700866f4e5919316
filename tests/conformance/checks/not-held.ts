/** Assertions that nothing here is held to, by the part of their name after `tck-id-`, and why. */
const NOT_OURS: readonly (readonly [prefix: string, why: string])[] = [
  ['conformance-mqtt-aware-', 'the own broker is Sparkplug compliant, not Sparkplug aware'],
  ['topics-nbirth-templates', 'no templates are published'],
  ['payloads-template-', 'no templates are published; received ones are read over'],
  ['payloads-dataset-', 'no data sets are published; received ones are read over'],
  [
    'intro-edge-node-id-uniqueness',
    'a gateway cannot see all others: whoever configures `sparkplug.group` and `sparkplug.node` sees to it',
  ],
  [
    'topic-structure-namespace-unique-edge-node-descriptor',
    'a gateway cannot see all others: whoever configures `sparkplug.group` and `sparkplug.node` sees to it',
  ],
  [
    'payloads-nbirth-edge-node-descriptor',
    'a gateway cannot see all others: whoever configures `sparkplug.group` and `sparkplug.node` sees to it',
  ],
  ['topic-structure-namespace-duplicate-device-id-across-edge-node', 'a permission, not a duty'],
  [
    'case-sensitivity-metric-names',
    'metrics are called as the points of the device file are: whoever writes that file sees to it',
  ],
  [
    'operational-behavior-host-application-host-id',
    'unless `host` names another one, the name is random and kept; a host cannot see all others',
  ],
  [
    'operational-behavior-host-application-multi-server-timestamp',
    'a host application is at one server; each has a session and a timestamp of its own',
  ],
];

/** What we do otherwise on purpose. */
const DEVIATIONS: ReadonlyMap<string, string> = new Map([
  [
    'payloads-metric-datatype-not-req',
    'a SHOULD: data and commands name the type, because the reference codec for JavaScript, and what is built on it, reads no value without one',
  ],
]);

export type Exception = { readonly kind: 'not ours' | 'deviates'; readonly why: string };

export function exceptionOf(id: string): Exception | undefined {
  const name = id.replace(/^tck-id-/, '');
  const deviation = DEVIATIONS.get(name);
  if (deviation !== undefined) return { kind: 'deviates', why: deviation };
  const why = NOT_OURS.find(([prefix]) =>
    prefix.endsWith('-') ? name.startsWith(prefix) : name === prefix,
  )?.[1];
  return why === undefined ? undefined : { kind: 'not ours', why };
}
