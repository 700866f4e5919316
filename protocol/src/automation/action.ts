import { z } from 'zod';
import { PointId } from '../ids.ts';
import { type PointRef, PointRefText } from './point-ref.ts';

const MAX_TEXT = 500;

/** What a rule does when it fires. In texts, `{name}` is replaced by the value of that input. */
export type ActionSpec =
  | {
      readonly type: 'write';
      readonly point: PointRef;
      /** A fixed value, or an expression over the inputs. */
      readonly value: number | boolean | string | { readonly from: string };
    }
  | {
      readonly type: 'alarm';
      /** Absent: the first input's. */
      readonly point: PointRef | undefined;
      /** Absent: the rule's id. */
      readonly name: string | undefined;
      readonly priority: 'low' | 'medium' | 'high' | 'critical';
      readonly message: string;
    }
  | {
      readonly type: 'publish';
      readonly topic: string;
      /** Absent: the rule, the time and all inputs as JSON. */
      readonly payload: string | undefined;
      readonly retain: boolean;
      readonly qos: 0 | 1;
    }
  | { readonly type: 'review'; readonly title: string; readonly detail: string | undefined };
export type ActionType = ActionSpec['type'];

const KINDS = ['write', 'alarm', 'publish', 'review'] as const;

const Topic = z
  .string()
  .min(1)
  .max(256)
  .refine(
    (topic) => !/[+#\0]/.test(topic) && !topic.startsWith('$'),
    'must be a topic without "+", "#" and "$"',
  );

export const ActionText = z
  .strictObject({
    write: z
      .strictObject({
        point: PointRefText,
        value: z.union([z.number(), z.boolean(), z.string().max(MAX_TEXT)]).optional(),
        from: z.string().min(1).max(2000).optional(),
      })
      .optional(),
    alarm: z
      .strictObject({
        point: PointRefText.optional(),
        name: PointId.optional(),
        priority: z.enum(['low', 'medium', 'high', 'critical']).default('medium'),
        message: z.string().min(1).max(MAX_TEXT),
      })
      .optional(),
    publish: z
      .strictObject({
        topic: Topic,
        payload: z.string().max(8192).optional(),
        retain: z.boolean().default(false),
        qos: z.union([z.literal(0), z.literal(1)]).default(0),
      })
      .optional(),
    review: z
      .strictObject({ title: z.string().min(1).max(200), detail: z.string().max(MAX_TEXT).optional() })
      .optional(),
  })
  .transform(({ write, alarm, publish, review }, context): ActionSpec => {
    const given = [write, alarm, publish, review].filter((each) => each !== undefined);
    if (given.length !== 1) {
      context.addIssue({ code: 'custom', message: `must be one of ${KINDS.join(', ')}` });
      return z.NEVER;
    }
    if (alarm !== undefined) return { type: 'alarm', ...alarm, point: alarm.point, name: alarm.name };
    if (publish !== undefined) return { type: 'publish', ...publish, payload: publish.payload };
    if (review !== undefined) return { type: 'review', ...review, detail: review.detail };
    const { point, value, from } = write ?? {};
    if (point !== undefined && value !== undefined && from === undefined)
      return { type: 'write', point, value };
    if (point !== undefined && from !== undefined && value === undefined)
      return { type: 'write', point, value: { from } };
    context.addIssue({
      code: 'custom',
      message: 'needs either a "value", or a "from" that computes it',
      path: ['write'],
    });
    return z.NEVER;
  });

/** The names in `{…}` of a text. */
export function placeholdersOf(text: string): string[] {
  return [...text.matchAll(PLACEHOLDER)].map(([, name = '']) => name);
}

/** Puts values in the place of `{name}`. */
export function filledIn(text: string, valueFor: (name: string) => string): string {
  return text.replace(PLACEHOLDER, (_, name: string) => valueFor(name));
}

const PLACEHOLDER = /\{([A-Za-z_]\w*)\}/g;
