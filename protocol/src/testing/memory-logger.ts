import type { Logger } from '../logger.ts';

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

  readonly debug = this.#method('debug');
  readonly info = this.#method('info');
  readonly warn = this.#method('warn');
  readonly error = this.#method('error');

  child(bindings: Readonly<Record<string, unknown>>): MemoryLogger {
    return new MemoryLogger(this.lines, { ...this.#bindings, ...bindings });
  }

  #method(level: LogLine['level']) {
    return (first: Readonly<Record<string, unknown>> | string, second?: string): void => {
      const fields = typeof first === 'string' ? {} : first;
      const message = typeof first === 'string' ? first : (second ?? '');
      this.lines.push({ level, message, fields: { ...this.#bindings, ...fields } });
    };
  }
}
