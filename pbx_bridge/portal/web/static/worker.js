// Between the player's <video> and its page: asks the page for clear bytes and hands them on. It keeps nothing, fetches
// nothing and holds no key; without an open player page it answers nothing.
const VIDEO = /^\/recordings\/[a-z2-7]{26}\/video$/;

self.addEventListener("install", (event) => {
  // Only the video comes here: what a page sends while it is being left must not wait for a worker.
  const others = { not: { urlPattern: new URLPattern({ pathname: "/recordings/*/video" }) } };
  event.waitUntil(Promise.resolve(event.addRoutes?.({ condition: others, source: "network" })).catch(() => {}));
  self.skipWaiting();
});
self.addEventListener("message", () => {}); // a page tells that it will be needed soon
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.origin === self.location.origin && VIDEO.test(url.pathname)) event.respondWith(give(event));
});

function inbox(port) {
  const waiting = [];
  const came = [];
  port.onmessage = (event) => (waiting.length ? waiting.shift()(event.data) : came.push(event.data));
  return () => (came.length ? Promise.resolve(came.shift()) : new Promise((done) => waiting.push(done)));
}

async function give(event) {
  const none = new Response(null, { status: 404 });
  const page = event.clientId && (await self.clients.get(event.clientId));
  const range = /^bytes=(\d+)-(\d*)$/.exec(event.request.headers.get("range") ?? "bytes=0-");
  if (!page || !range) return none;
  const { port1, port2 } = new MessageChannel();
  const next = inbox(port1);
  page.postMessage({ first: Number(range[1]), last: range[2] ? Number(range[2]) : null }, [port2]);
  const said = await next();
  if (!said.size) return none;
  const { first, last, size } = said;
  const body = new ReadableStream({
    async pull(controller) {
      port1.postMessage("more");
      const piece = await next();
      if (piece.bytes) controller.enqueue(piece.bytes);
      else if (piece.end) controller.close();
      else controller.error(new Error("broken off"));
    },
    cancel() { port1.postMessage("stop"); },
  }, { highWaterMark: 0 });
  const headers = {
    "content-type": "video/webm", "accept-ranges": "bytes", "cache-control": "no-store",
    "content-length": String(last - first + 1), "content-range": `bytes ${first}-${last}/${size}`,
  };
  return new Response(body, { status: 206, headers });
}
