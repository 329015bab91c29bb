/** The one thing of Node.js that a test uses: a shell. */
declare module 'node:child_process' {
  export function execFileSync(file: string, argumentsOf: string[]): { toString(): string }
}
