/** Where an alarm stands, in the words of ISA-18.2. `returned` is "return to normal, unacknowledged". */
export const ALARM_STATES = [
  'normal',
  'unacknowledged',
  'acknowledged',
  'returned',
  'shelved',
  'suppressed',
  'out-of-service',
] as const;
export type AlarmState = (typeof ALARM_STATES)[number];

/** What a state is made of: the condition, what people were told of it, and what keeps it from them. */
export interface AlarmStatus {
  /** Whether the condition holds. Known also while nobody is told. */
  readonly isActive: boolean;
  readonly told: 'normal' | 'unacknowledged' | 'acknowledged' | 'returned';
  /** By a person, for a time. */
  readonly isShelved: boolean;
  /** By the design of the plant: an expression over points. */
  readonly isSuppressed: boolean;
  /** By a person, until it is put back. */
  readonly isOutOfService: boolean;
}

export const ALARM_INPUTS = [
  'raise',
  'clear',
  'acknowledge',
  'shelve',
  'unshelve',
  'suppress',
  'unsuppress',
  'take-out-of-service',
  'return-to-service',
] as const;
export type AlarmInput = (typeof ALARM_INPUTS)[number];

export type Transition =
  | { readonly ok: true; readonly status: AlarmStatus }
  | { readonly ok: false; readonly code: string; readonly message: string };

export const NORMAL: AlarmStatus = {
  isActive: false,
  told: 'normal',
  isShelved: false,
  isSuppressed: false,
  isOutOfService: false,
};

/** Several things may keep an alarm from people; the strongest names the state. */
export function stateOf(status: AlarmStatus): AlarmState {
  if (status.isOutOfService) return 'out-of-service';
  if (status.isSuppressed) return 'suppressed';
  return status.isShelved ? 'shelved' : status.told;
}

/**
 * The life cycle of an alarm. What the plant says (`raise`, `clear`, `suppress`, `unsuppress`) is never refused and
 * changes nothing when it is so already; what a person asks for is, where it has no meaning.
 * @param options.needsAck whether it stays `returned` after it is over, until somebody acknowledges it
 * @see ISA-18.2 §5, the alarm state transition diagram
 */
export function transition(
  status: AlarmStatus,
  input: AlarmInput,
  options: { readonly needsAck: boolean },
): Transition {
  const state = stateOf(status);
  switch (input) {
    case 'raise':
      if (status.isActive) return to(status);
      return to(told({ ...status, isActive: true }, 'unacknowledged'));
    case 'clear': {
      if (!status.isActive) return to(status);
      const waits = options.needsAck && status.told === 'unacknowledged';
      return to(told({ ...status, isActive: false }, waits ? 'returned' : 'normal'));
    }
    case 'acknowledge':
      if (state === 'unacknowledged') return to({ ...status, told: 'acknowledged' });
      if (state === 'returned') return to({ ...status, told: 'normal' });
      if (state === 'acknowledged') return refused('ALREADY_ACKNOWLEDGED', 'it is acknowledged already');
      if (state === 'normal') return refused('NOT_IN_ALARM', 'there is nothing to acknowledge');
      return refused('NOT_IN_ALARM', `it is ${WORDS[state]}: there is nothing to acknowledge`);
    case 'shelve':
      if (state === 'suppressed' || state === 'out-of-service')
        return refused(CODES[state], `it is ${WORDS[state]} already`);
      return to({ ...status, isShelved: true, told: 'normal' });
    case 'unshelve':
      if (!status.isShelved) return refused('NOT_SHELVED', 'it is not shelved');
      return to(uncovered({ ...status, isShelved: false }));
    case 'suppress':
      return to({ ...status, isSuppressed: true, told: 'normal' });
    case 'unsuppress':
      if (!status.isSuppressed) return to(status);
      return to(uncovered({ ...status, isSuppressed: false }));
    case 'take-out-of-service':
      if (status.isOutOfService) return refused('OUT_OF_SERVICE', 'it is out of service already');
      return to({ ...status, isOutOfService: true, isShelved: false, told: 'normal' });
    case 'return-to-service':
      if (!status.isOutOfService) return refused('IN_SERVICE', 'it is in service already');
      return to(uncovered({ ...status, isOutOfService: false }));
  }
}

export const WORDS: Readonly<Record<AlarmState, string>> = {
  normal: 'normal',
  unacknowledged: 'unacknowledged',
  acknowledged: 'acknowledged',
  returned: 'back to normal, unacknowledged',
  shelved: 'shelved',
  suppressed: 'suppressed by design',
  'out-of-service': 'out of service',
};
const CODES = { suppressed: 'SUPPRESSED', 'out-of-service': 'OUT_OF_SERVICE' } as const;

function isCovered({ isShelved, isSuppressed, isOutOfService }: AlarmStatus): boolean {
  return isShelved || isSuppressed || isOutOfService;
}

function told(status: AlarmStatus, next: AlarmStatus['told']): AlarmStatus {
  return isCovered(status) ? status : { ...status, told: next };
}

/** Whoever shelved an alarm may not be there any more: what is in alarm then is news. */
function uncovered(status: AlarmStatus): AlarmStatus {
  if (isCovered(status)) return status;
  return { ...status, told: status.isActive ? 'unacknowledged' : 'normal' };
}

function to(status: AlarmStatus): Transition {
  return { ok: true, status };
}

function refused(code: string, message: string): Transition {
  return { ok: false, code, message };
}
