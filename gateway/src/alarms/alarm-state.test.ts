import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ALARM_INPUTS,
  ALARM_STATES,
  type AlarmInput,
  type AlarmState,
  type AlarmStatus,
  NORMAL,
  stateOf,
  transition,
} from './alarm-state.ts';

/** A status of each state, with the condition on and off where both can be. */
const STATUS: Readonly<Record<string, AlarmStatus>> = {
  normal: NORMAL,
  unacknowledged: { ...NORMAL, isActive: true, told: 'unacknowledged' },
  acknowledged: { ...NORMAL, isActive: true, told: 'acknowledged' },
  returned: { ...NORMAL, told: 'returned' },
  shelved: { ...NORMAL, isShelved: true },
  'shelved, active': { ...NORMAL, isShelved: true, isActive: true },
  suppressed: { ...NORMAL, isSuppressed: true },
  'suppressed, active': { ...NORMAL, isSuppressed: true, isActive: true },
  'out-of-service': { ...NORMAL, isOutOfService: true },
  'out-of-service, active': { ...NORMAL, isOutOfService: true, isActive: true },
};

/** ISA-18.2's diagram, line by line: the state after each input, or the code with which it is refused. */
const DIAGRAM: Readonly<Record<string, Readonly<Record<AlarmInput, string>>>> = {
  normal: {
    raise: 'unacknowledged',
    clear: 'normal',
    acknowledge: 'NOT_IN_ALARM',
    shelve: 'shelved',
    unshelve: 'NOT_SHELVED',
    suppress: 'suppressed',
    unsuppress: 'normal',
    'take-out-of-service': 'out-of-service',
    'return-to-service': 'IN_SERVICE',
  },
  unacknowledged: {
    raise: 'unacknowledged',
    clear: 'returned',
    acknowledge: 'acknowledged',
    shelve: 'shelved, active',
    unshelve: 'NOT_SHELVED',
    suppress: 'suppressed, active',
    unsuppress: 'unacknowledged',
    'take-out-of-service': 'out-of-service, active',
    'return-to-service': 'IN_SERVICE',
  },
  acknowledged: {
    raise: 'acknowledged',
    clear: 'normal',
    acknowledge: 'ALREADY_ACKNOWLEDGED',
    shelve: 'shelved, active',
    unshelve: 'NOT_SHELVED',
    suppress: 'suppressed, active',
    unsuppress: 'acknowledged',
    'take-out-of-service': 'out-of-service, active',
    'return-to-service': 'IN_SERVICE',
  },
  returned: {
    raise: 'unacknowledged',
    clear: 'returned',
    acknowledge: 'normal',
    shelve: 'shelved',
    unshelve: 'NOT_SHELVED',
    suppress: 'suppressed',
    unsuppress: 'returned',
    'take-out-of-service': 'out-of-service',
    'return-to-service': 'IN_SERVICE',
  },
  shelved: {
    raise: 'shelved, active',
    clear: 'shelved',
    acknowledge: 'NOT_IN_ALARM',
    shelve: 'shelved',
    unshelve: 'normal',
    suppress: 'suppressed',
    unsuppress: 'shelved',
    'take-out-of-service': 'out-of-service',
    'return-to-service': 'IN_SERVICE',
  },
  'shelved, active': {
    raise: 'shelved, active',
    clear: 'shelved',
    acknowledge: 'NOT_IN_ALARM',
    shelve: 'shelved, active',
    unshelve: 'unacknowledged',
    suppress: 'suppressed, active',
    unsuppress: 'shelved, active',
    'take-out-of-service': 'out-of-service, active',
    'return-to-service': 'IN_SERVICE',
  },
  suppressed: {
    raise: 'suppressed, active',
    clear: 'suppressed',
    acknowledge: 'NOT_IN_ALARM',
    shelve: 'SUPPRESSED',
    unshelve: 'NOT_SHELVED',
    suppress: 'suppressed',
    unsuppress: 'normal',
    'take-out-of-service': 'out-of-service',
    'return-to-service': 'IN_SERVICE',
  },
  'suppressed, active': {
    raise: 'suppressed, active',
    clear: 'suppressed',
    acknowledge: 'NOT_IN_ALARM',
    shelve: 'SUPPRESSED',
    unshelve: 'NOT_SHELVED',
    suppress: 'suppressed, active',
    unsuppress: 'unacknowledged',
    'take-out-of-service': 'out-of-service, active',
    'return-to-service': 'IN_SERVICE',
  },
  'out-of-service': {
    raise: 'out-of-service, active',
    clear: 'out-of-service',
    acknowledge: 'NOT_IN_ALARM',
    shelve: 'OUT_OF_SERVICE',
    unshelve: 'NOT_SHELVED',
    suppress: 'out-of-service',
    unsuppress: 'out-of-service',
    'take-out-of-service': 'OUT_OF_SERVICE',
    'return-to-service': 'normal',
  },
  'out-of-service, active': {
    raise: 'out-of-service, active',
    clear: 'out-of-service',
    acknowledge: 'NOT_IN_ALARM',
    shelve: 'OUT_OF_SERVICE',
    unshelve: 'NOT_SHELVED',
    suppress: 'out-of-service, active',
    unsuppress: 'out-of-service, active',
    'take-out-of-service': 'OUT_OF_SERVICE',
    'return-to-service': 'unacknowledged',
  },
};

const nameOf = (status: AlarmStatus) => {
  const state = stateOf(status);
  const isHidden = state === 'shelved' || state === 'suppressed' || state === 'out-of-service';
  return isHidden && status.isActive ? `${state}, active` : state;
};
const lines = Object.entries(DIAGRAM).flatMap(([from, row]) =>
  ALARM_INPUTS.map((input) => [from, input, row[input]] as const),
);

describe('the life cycle of an alarm', () => {
  it.each(lines)('%s, %s: %s', (from, input, expected) => {
    const result = transition(STATUS[from] ?? NORMAL, input, { needsAck: true });
    expect(result.ok ? nameOf(result.status) : result.code).toBe(expected);
  });

  it('is told of in every state', () => {
    const seen = new Set(Object.values(STATUS).map(stateOf));
    expect([...seen].sort()).toEqual([...ALARM_STATES].sort());
  });

  it('ends with the condition when no acknowledgement is asked for', () => {
    const raised = STATUS.unacknowledged ?? NORMAL;
    expect(transition(raised, 'clear', { needsAck: false })).toEqual({ ok: true, status: NORMAL });
  });

  it('stays suppressed while it is shelved and shelved when the suppression ends', () => {
    const both = run(['raise', 'shelve', 'suppress']);
    expect(stateOf(both)).toBe('suppressed');
    expect(stateOf(run(['unsuppress'], both))).toBe('shelved');
    expect(stateOf(run(['unsuppress', 'unshelve'], both))).toBe('unacknowledged');
    expect(stateOf(run(['unshelve', 'unsuppress'], both))).toBe('unacknowledged');
  });

  it('never hides that something is in alarm, whatever came before', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...ALARM_INPUTS)), fc.boolean(), (inputs, needsAck) => {
        let status = NORMAL;
        let isActive = false;
        for (const input of inputs) {
          if (input === 'raise') isActive = true;
          if (input === 'clear') isActive = false;
          const result = transition(status, input, { needsAck });
          if (result.ok) status = result.status;
          expect(status.isActive).toBe(isActive);
          const state: AlarmState = stateOf(status);
          if (state === 'normal' || state === 'returned') expect(isActive).toBe(false);
          if (state === 'unacknowledged' || state === 'acknowledged') expect(isActive).toBe(true);
        }
        const { isShelved, isSuppressed, isOutOfService } = status;
        const after = run(
          [
            ...(isShelved ? (['unshelve'] as const) : []),
            ...(isSuppressed ? (['unsuppress'] as const) : []),
            ...(isOutOfService ? (['return-to-service'] as const) : []),
          ],
          status,
        );
        if (isActive) expect(['unacknowledged', 'acknowledged']).toContain(stateOf(after));
      }),
    );
  });
});

function run(inputs: readonly AlarmInput[], from: AlarmStatus = NORMAL): AlarmStatus {
  return inputs.reduce((status, input) => {
    const result = transition(status, input, { needsAck: true });
    return result.ok ? result.status : status;
  }, from);
}
