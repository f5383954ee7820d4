interface RouteCount {
  method: string;
  route: string;
  status: number;
  requests: number;
  seconds: number;
}

/** Counts answered requests by route and status. Routes are the patterns of the table, so the number of counters is bounded. */
export class HttpCounters {
  readonly #counts = new Map<string, RouteCount>();

  record(method: string, route: string, status: number, seconds: number): void {
    const key = `${method} ${route} ${status}`;
    const count = this.#counts.get(key) ?? { method, route, status, requests: 0, seconds: 0 };
    count.requests += 1;
    count.seconds += seconds;
    this.#counts.set(key, count);
  }

  all(): RouteCount[] {
    return [...this.#counts.values()];
  }
}
