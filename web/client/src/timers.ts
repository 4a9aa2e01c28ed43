/* Timers by name: setting one again replaces it. */
export class Timers<Name extends string> {
  private readonly running = new Map<Name, ReturnType<typeof setTimeout>>();

  set(name: Name, ms: number, then: () => void): void {
    this.stop(name);
    const timer = setTimeout(() => {
      this.running.delete(name);
      then();
    }, ms);
    this.running.set(name, timer);
  }

  stop(name: Name): void {
    clearTimeout(this.running.get(name));
    this.running.delete(name);
  }

  stopAll(): void {
    for (const name of [...this.running.keys()]) this.stop(name);
  }

  has(name: Name): boolean {
    return this.running.has(name);
  }
}
