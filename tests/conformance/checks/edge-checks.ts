import type { EdgeRecord } from '../support/edge-record.ts';
import type { Check } from './check.ts';
import { EDGE_MESSAGE_CHECKS } from './edge-message-checks.ts';
import { EDGE_SESSION_CHECKS } from './edge-session-checks.ts';

export const EDGE_CHECKS: readonly Check<EdgeRecord>[] = [...EDGE_MESSAGE_CHECKS, ...EDGE_SESSION_CHECKS];
