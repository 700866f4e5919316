/** A line for the person at the terminal; the log goes to standard error. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
