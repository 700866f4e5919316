import type { Logger } from '@millwright/protocol';

const KEPT_LINES = 20;
const MAX_LINE = 2000;

/** The server's standard error: passed on by severity, the last lines kept for the message when it does not start. */
export class ServerLog {
  readonly #logger: Logger;
  readonly #last: string[] = [];
  #rest = '';

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) this.#line(line.slice(0, MAX_LINE));
  }

  last(): string {
    return this.#last.join('\n');
  }

  #line(line: string): void {
    if (line === '') return;
    if (this.#last.push(line) > KEPT_LINES) this.#last.shift();
    if (line.startsWith('PANIC')) this.#logger.error(line);
    else if (line.startsWith('WARNING')) this.#logger.warn(line);
    else this.#logger.debug(line);
  }
}
