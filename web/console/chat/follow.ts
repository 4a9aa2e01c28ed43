import type { ReactiveController, ReactiveControllerHost } from "lit";

interface Source {
  subscribe(changed: () => void): () => void;
}

/** Renders its host again when one of the sources changes. The host names them in each `willUpdate`. */
export class Follow implements ReactiveController {
  private readonly stops = new Map<Source, () => void>();
  private isOn = false;

  constructor(private readonly host: ReactiveControllerHost) {
    host.addController(this);
  }

  these(...sources: (Source | null | undefined)[]): void {
    for (const [source, stop] of this.stops) {
      if (sources.includes(source)) continue;
      stop();
      this.stops.delete(source);
    }
    for (const source of sources)
      if (source && this.isOn && !this.stops.has(source)) this.stops.set(source, source.subscribe(() => this.host.requestUpdate()));
  }

  hostConnected(): void {
    this.isOn = true;
    this.host.requestUpdate();
  }

  hostDisconnected(): void {
    this.isOn = false;
    this.these();
  }
}

/** The other half: something that is followed. */
export class Followed {
  private readonly watchers = new Set<() => void>();

  subscribe(changed: () => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  protected changed(): void {
    for (const w of [...this.watchers]) w();
  }
}
