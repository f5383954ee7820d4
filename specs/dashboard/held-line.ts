import type { Page, WebSocketRoute } from 'playwright-core';

/** The socket of a page in the hands of a spec. */
export interface HeldLine {
  /** What the page asked, newest last. */
  readonly asked: readonly { method: string; params: Record<string, unknown> }[];
  /** Cuts the connection, and every new one at once until `mend`. */
  cut(): void;
  mend(): void;
  /** Cuts the connection in place of the next answer that holds `text`. */
  loseAnswer(text: string): void;
}

/** Takes the socket in hand and loads the page anew. */
export async function holdLine(page: Page): Promise<HeldLine> {
  const asked: HeldLine['asked'][number][] = [];
  let socket: WebSocketRoute | null = null;
  let isCut = false;
  let lost = '';
  await page.routeWebSocket('**/v1/socket', (opened) => {
    if (isCut) {
      void opened.close();
      return;
    }
    socket = opened;
    const server = opened.connectToServer();
    opened.onMessage((message) => {
      asked.push(JSON.parse(message.toString()) as HeldLine['asked'][number]);
      server.send(message);
    });
    server.onMessage((message) => {
      if (lost === '' || !message.includes(lost)) opened.send(message);
      else {
        lost = '';
        void opened.close();
      }
    });
  });
  await page.reload();
  return {
    asked,
    cut() {
      isCut = true;
      void socket?.close();
    },
    mend: () => (isCut = false),
    loseAnswer: (text) => (lost = text),
  };
}
