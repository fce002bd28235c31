// What the player reads of a WebM besides playing it (RFC 8794, RFC 9559): the head, the marks on the time line, the
// voices' packets. Pure: bytes in, numbers and views out; it decodes nothing.
export const CLUSTER = 0x1f43b675;
const SEGMENT = 0x18538067, SEEK_HEAD = 0x114d9b74, SEEK_ID = 0x53ab, SEEK_AT = 0x53ac, INFO = 0x1549a966, DURATION = 0x4489;
const TRACKS = 0x1654ae6b, TRACK = 0xae, TRACK_NUMBER = 0xd7, CODEC = 0x86, CODEC_HEAD = 0x63a2;
const CHAPTERS = 0x1043a770, ATOM = 0xb6, BEGIN = 0x91, END = 0x92, DISPLAY = 0x80, TITLE = 0x85;
const CUES = 0x1c53bb6b, CUE = 0xbb, CUE_TIME = 0xb3, CUE_PLACES = 0xb7, CUE_CLUSTER = 0xf1;
const TIME = 0xe7, SIMPLE_BLOCK = 0xa3, GROUP = 0xa0, BLOCK = 0xa1;
const UNKNOWN = 2 ** 50; // no size of ours; a live file's

// What browsers read for a jump (measured).
const PRE_ROLL_S = 0.1; // voices are decoded 80 ms before they are heard, and Firefox begins with the picture there too
const SOON_S = 0.5; // a place to begin so near is passed before the picture stands
const BEYOND = 3 << 17; // Firefox shows nothing before it has the picture at the next place to begin, and what follows it
const READ = 1 << 16; // what they read at a time, at most

function vint(bytes, at, whole) {
  const size = Math.clz32(bytes[at] ?? 0) - 23;
  if (size > 8 || at + size > bytes.length) return null;
  let value = whole ? bytes[at] : bytes[at] & (0xff >> size);
  for (let n = 1; n < size; n += 1) value = value * 256 + bytes[at + n];
  return { value, size };
}

// The element at `at`, its body perhaps beyond what is there; null when its own head is not whole.
export function element(bytes, at) {
  const id = vint(bytes, at, true);
  const length = id && vint(bytes, at + id.size, false);
  if (!length) return null;
  const body = at + id.size + length.size;
  return { id: id.value, at, body, end: length.value > UNKNOWN ? Infinity : body + length.value };
}

// The whole elements from `at` to `end`.
export function* elements(bytes, at, end) {
  for (let found = element(bytes, at); found && found.end <= end; found = at < end ? element(bytes, at) : null) {
    yield found;
    at = found.end;
  }
}

function whole(bytes, { body, end }) {
  let value = 0;
  for (let at = body; at < end; at += 1) value = value * 256 + bytes[at];
  return value;
}
const part = (bytes, { body, end }) => bytes.subarray(body, end);
const text = (bytes, found) => new TextDecoder().decode(part(bytes, found));
const fields = (bytes, { body, end }) => new Map(Array.from(elements(bytes, body, end), (found) => [found.id, found]));

// What the file's first bytes say: `seconds` it lasts, where its marks lie (null: it has none), the voices' track.
export function head(bytes) {
  const ebml = element(bytes, 0);
  const segment = ebml && element(bytes, ebml.end);
  if (segment?.id !== SEGMENT) throw new Error("no recording");
  const said = { seconds: 0, marksAt: null, cuesAt: null, body: segment.body, sound: null, opusHead: null, first: null };
  for (let at = segment.body, found = element(bytes, at); found; found = element(bytes, at)) {
    if (found.id === CLUSTER) {
      said.first = at;
      break;
    }
    if (found.end > bytes.length) break;
    if (found.id === SEEK_HEAD) {
      for (const seek of elements(bytes, found.body, found.end)) {
        const of = fields(bytes, seek);
        const what = of.has(SEEK_ID) && whole(bytes, of.get(SEEK_ID));
        if (what === CHAPTERS) said.marksAt = segment.body + whole(bytes, of.get(SEEK_AT));
        if (what === CUES) said.cuesAt = segment.body + whole(bytes, of.get(SEEK_AT));
      }
    } else if (found.id === INFO) {
      const length = fields(bytes, found).get(DURATION);
      if (length) said.seconds = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(length.body) / 1000;
    } else if (found.id === TRACKS) {
      for (const track of elements(bytes, found.body, found.end)) {
        const of = track.id === TRACK ? fields(bytes, track) : new Map();
        if (of.has(CODEC) && text(bytes, of.get(CODEC)) === "A_OPUS") {
          said.sound = whole(bytes, of.get(TRACK_NUMBER));
          said.opusHead = part(bytes, of.get(CODEC_HEAD)).slice();
        }
      }
    }
    at = found.end;
  }
  return said;
}

// Where a player can begin: [{ seconds, at }], in order. `bytes` begin with the index; places count from `start`.
export function cues(bytes, start) {
  const all = element(bytes, 0);
  if (all?.id !== CUES || all.end > bytes.length) return [];
  const found = [];
  for (const cue of elements(bytes, all.body, all.end)) {
    const of = cue.id === CUE ? fields(bytes, cue) : new Map();
    const place = of.has(CUE_PLACES) && fields(bytes, of.get(CUE_PLACES)).get(CUE_CLUSTER);
    if (place && of.has(CUE_TIME)) found.push({ seconds: whole(bytes, of.get(CUE_TIME)) / 1000, at: start + whole(bytes, place) });
  }
  return found;
}

// The bytes a browser reads before it shows this moment, of `size`: from the place to begin before it (a little before that
// for the voices' sake) to a little beyond the next one after it; and from where on it reads the index, at any time.
export function needed(places, seconds, size, indexAt) {
  const before = (moment) => Math.max(0, places.findLastIndex((cue) => cue.seconds <= moment));
  const next = before(seconds + SOON_S) + 1;
  const to = Math.min(size, (places[next]?.at ?? size) + BEYOND);
  return { from: places[before(seconds - PRE_ROLL_S)].at, to, index: indexAt - READ };
}

// The marks: [{ begin, end, title }] in seconds. `bytes` begin with the element that holds them.
export function marks(bytes) {
  const all = element(bytes, 0);
  if (all?.id !== CHAPTERS || all.end > bytes.length) return [];
  const found = [];
  for (const edition of elements(bytes, all.body, all.end)) {
    for (const atom of elements(bytes, edition.body, edition.end)) {
      if (atom.id !== ATOM) continue;
      const of = fields(bytes, atom);
      const shown = of.has(DISPLAY) && fields(bytes, of.get(DISPLAY)).get(TITLE);
      if (!shown || !of.has(BEGIN) || !of.has(END)) continue;
      const [begin, end] = [BEGIN, END].map((id) => whole(bytes, of.get(id)) / 1e9);
      found.push({ begin, end, title: text(bytes, shown) });
    }
  }
  return found;
}

// The packets of one track in a whole cluster: its milliseconds and its bytes.
export function* packets(bytes, cluster, track) {
  let time = 0;
  for (const found of elements(bytes, cluster.body, cluster.end)) {
    if (found.id === TIME) time = whole(bytes, found);
    const block = found.id === GROUP ? fields(bytes, found).get(BLOCK) : found.id === SIMPLE_BLOCK ? found : null;
    if (!block || (bytes[block.body] & 0x7f) !== track) continue;
    const after = (bytes[block.body + 1] << 24) >> 16 | bytes[block.body + 2];
    yield { ms: time + after, data: bytes.slice(block.body + 4, block.end) };
  }
}
