/* What outlives a reload: in the browser's storage, or, where that is blocked or full, as long as the page lives. */

class Kept {
  private readonly memory = new Map<string, string>();
  /** The browser refused: said on the page, since a reload now forgets. */
  blocked = false;

  constructor(private readonly storage: () => Storage) {
    try {
      const probe = "beck.probe";
      storage().setItem(probe, probe);
      storage().removeItem(probe);
    } catch {
      this.blocked = true;
    }
  }

  get(key: string): string | null {
    const here = this.memory.get(key);
    if (here !== undefined) return here;
    try {
      return this.storage().getItem(key);
    } catch {
      return null;
    }
  }

  /** Null forgets. */
  set(key: string, value: string | null): void {
    this.memory.delete(key);
    try {
      if (value === null) this.storage().removeItem(key);
      else this.storage().setItem(key, value);
    } catch {
      this.blocked = true;
      if (value !== null) this.memory.set(key, value);
    }
  }
}

/** Of this tab: who is signed in, so that two tabs are two people. */
export const ofTab = new Kept(() => sessionStorage);
/** Of this browser: drafts, colours. */
export const ofBrowser = new Kept(() => localStorage);
