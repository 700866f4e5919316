import type { Logger } from '../logger.ts';

type LogFields = Readonly<Record<string, unknown>>;

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Keeps what was logged, for tests to read. Children write to the same list. */
export class MemoryLogger implements Logger {
  readonly lines: LogLine[];
  readonly #bindings: Readonly<Record<string, unknown>>;

  constructor(lines: LogLine[] = [], bindings: Readonly<Record<string, unknown>> = {}) {
    this.lines = lines;
    this.#bindings = bindings;
  }

  debug(first: LogFields | string, message?: string): void {
    this.#write('debug', first, message);
  }

  info(first: LogFields | string, message?: string): void {
    this.#write('info', first, message);
  }

  warn(first: LogFields | string, message?: string): void {
    this.#write('warn', first, message);
  }

  error(first: LogFields | string, message?: string): void {
    this.#write('error', first, message);
  }

  child(bindings: Readonly<Record<string, unknown>>): MemoryLogger {
    return new MemoryLogger(this.lines, { ...this.#bindings, ...bindings });
  }

  #write(level: LogLine['level'], first: LogFields | string, second?: string): void {
    const fields = typeof first === 'string' ? {} : first;
    const message = typeof first === 'string' ? first : (second ?? '');
    this.lines.push({ level, message, fields: { ...this.#bindings, ...fields } });
  }
}
