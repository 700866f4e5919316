/** One assertion of the Sparkplug TCK and what is looked at to see that it holds. */
export interface Check<R> {
  readonly id: string;
  /** Only where this MQTT version is spoken; 4 is 3.1.1. */
  readonly version?: 4 | 5;
  /** @throws when the assertion does not hold */
  readonly check: (record: R) => void | Promise<void>;
}

/** Several assertions that say the same in other words share what is looked at. */
export function assertions<R>(
  ids: string,
  check: Check<R>['check'],
  options: { readonly version?: 4 | 5 } = {},
): Check<R>[] {
  return ids
    .trim()
    .split(/\s+/)
    .map((id) => ({ id: `tck-id-${id}`, check, ...options }));
}
