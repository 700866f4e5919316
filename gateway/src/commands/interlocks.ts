import type { PointNo, WriteRule } from '@millwright/protocol';
import type { z } from 'zod';
import type { CompileCondition, Condition, NumberedDevice } from '../conditions/condition.ts';
import type { CommandInterlocks } from './ports.ts';

/** The conditions under which points may be written; without a certain yes the answer is no. */
export class Interlocks implements CommandInterlocks {
  #conditions = new Map<PointNo, Condition>();

  /** Replaces all. @throws InvalidInputError `EXPRESSION_INVALID`; then nothing has changed */
  apply(devices: Iterable<NumberedDevice>, compile: CompileCondition | undefined): void {
    const conditions = new Map<PointNo, Condition>();
    for (const { spec, numbers } of devices) {
      for (const [id, no] of numbers) {
        const rule = spec.points[id]?.write;
        if (rule?.interlock === undefined || compile === undefined) continue;
        conditions.set(no, compile(rule.interlock, { spec, inputs: rule.inputs }));
      }
    }
    this.#conditions = conditions;
  }

  refusal(no: PointNo, rule: z.infer<typeof WriteRule>): string | undefined {
    if (rule.interlock === undefined) return undefined;
    const condition = this.#conditions.get(no);
    // A device file that is just being read: what was compiled is for the rule as it was.
    if (condition === undefined || condition.text !== rule.interlock)
      return `it cannot be judged yet: ${rule.interlock}`;
    const verdict = condition.judge();
    if (!verdict.isCertain) return `it cannot be judged, since ${verdict.why}: ${rule.interlock}`;
    return verdict.holds ? undefined : `it does not hold: ${rule.interlock}`;
  }
}
