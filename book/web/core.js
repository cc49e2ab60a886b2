// What every demonstration uses: the runtime and the models, random numbers, pictures and controls.
//
// Everything is loaded from the site itself, and nothing is sent: no function of these modules uploads.

const STATIC = new URL("../", import.meta.url); // the folder _static of the site
const RUNTIME = "vendor/onnxruntime/";
const PIXELATED = 64; // pixels a side; pictures up to here are enlarged without smoothing

// -- files and models ---------------------------------------------------------------------------------

async function load(path) {
  const answer = await fetch(new URL(path, STATIC));
  if (!answer.ok) throw new Error(`${path} could not be loaded (${answer.status})`);
  return answer;
}

// A promise for each file, so that it is loaded once; what failed is asked for again the next time.
const kept = new Map();
function once(path, make) {
  if (!kept.has(path)) {
    const made = make();
    kept.set(path, made);
    made.catch(() => kept.delete(path));
  }
  return kept.get(path);
}

let ort; // onnxruntime-web, once it is there
function runtime() {
  return once(RUNTIME, async () => {
    const [module, binary] = await Promise.all([
      import(new URL(RUNTIME + "ort.wasm.bundle.min.mjs", STATIC)),
      load(RUNTIME + "ort-wasm-simd-threaded.wasm.gz").then((answer) => answer.arrayBuffer()),
    ]);
    module.env.wasm.numThreads = 1; // more threads need headers that a plain file server does not send
    module.env.wasm.wasmBinary = await unpacked(binary);
    ort = module;
  });
}

// Some servers send a .gz as what it holds, and the browser has then unpacked it already.
async function unpacked(buffer) {
  const [first, second] = new Uint8Array(buffer, 0, 2);
  if (first !== 0x1f || second !== 0x8b) return buffer;
  const stream = new Blob([buffer]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

// The model _static/models/NAME.onnx, ready to run.
export function session(name) {
  const path = `models/${name}.onnx`;
  return once(path, async () => {
    const [content] = await Promise.all([load(path).then((answer) => answer.arrayBuffer()), runtime()]);
    return ort.InferenceSession.create(new Uint8Array(content), { executionProviders: ["wasm"] });
  });
}

// What the file _static/models/NAME.json holds.
export function json(name) {
  const path = `models/${name}.json`;
  return once(path, async () => (await load(path)).json());
}

// The picture file _static/models/NAME, such as a sheet of small pictures.
export function image(name) {
  const path = `models/${name}`;
  return once(path, async () => createImageBitmap(await (await load(path)).blob()));
}

const TYPES = new Map([
  [Float32Array, "float32"],
  [BigInt64Array, "int64"],
  [Int32Array, "int32"],
]);

// Input of a model; a session must have been made before.
export function tensor(values, shape) {
  return new ort.Tensor(TYPES.get(values.constructor), values, shape);
}

// Outputs by name, each with `data` and `dims`. One run after the other, as there is one thread.
let running = Promise.resolve();
export function run(model, feeds) {
  const made = running.then(() => model.run(feeds));
  running = made.catch(() => {});
  return made;
}

// A function that calls `work` with the newest arguments: what came meanwhile and is out of date is left out.
export function latest(work) {
  let waiting = null;
  let busy = null;
  return (...words) => {
    waiting = words;
    busy ??= (async () => {
      try {
        while (waiting) {
          const now = waiting;
          waiting = null;
          await work(...now);
        }
      } finally {
        busy = null;
      }
    })();
    return busy;
  };
}

// -- random numbers: book/page_models/normals.py gives the same -----------------------------------------------------

// A function that gives the next uniform number in [0, 1): mulberry32, 32 bits of state.
export function uniforms(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// `count` standard normal numbers (Float32Array), by Box and Muller's transform.
export function normals(seed, count) {
  const uniform = uniforms(seed);
  const numbers = new Float32Array(count);
  for (let at = 0; at < count; at += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform())); // 1 - u lies in (0, 1]
    const angle = 2 * Math.PI * uniform();
    numbers[at] = radius * Math.cos(angle);
    if (at + 1 < count) numbers[at + 1] = radius * Math.sin(angle);
  }
  return numbers;
}

// -- pictures -------------------------------------------------------------------------------------------

// A canvas with alt text for screen readers; `alt` can be changed by setAttribute("aria-label", …).
export function picture(root, alt) {
  const canvas = document.createElement("canvas");
  canvas.className = "lab-canvas";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", alt);
  root.append(canvas);
  return canvas;
}

// Pixels in [0, 1], row by row and channel by channel (1 grey, 3 colour), onto a canvas of that size.
export function paint(canvas, pixels, height, width, channels) {
  const shown = new ImageData(width, height);
  for (let at = 0; at < height * width; at += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      // The array is clamped: values below 0 and above 255 become these.
      shown.data[4 * at + channel] = 255 * pixels[channels * at + (channels === 1 ? 0 : channel)];
    }
    shown.data[4 * at + 3] = 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.classList.toggle("lab-pixelated", Math.max(height, width) <= PIXELATED);
  canvas.getContext("2d").putImageData(shown, 0, 0);
}

// -- controls: labelled in both languages, usable by keyboard ---------------------------------------------

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function bilingual(target, name, chinese) {
  const second = element("span", "lab-zh", chinese);
  second.lang = "zh-Hans";
  target.append(name, " · ", second);
}

function labelled(root, control, name, chinese) {
  const label = element("label", "lab-control");
  const words = element("span", "lab-control-name");
  bilingual(words, name, chinese);
  label.append(words, control);
  root.append(label);
  return label;
}

// A slider; `change(number)` is called while it moves, `words(number)` stand beside it. Gives the <input>.
export function slider(root, { name, chinese, low, high, step, value, change, words = String }) {
  const input = element("input", "lab-slider");
  Object.assign(input, { type: "range", min: low, max: high, step, value });
  const shown = element("output", "lab-control-value", words(input.valueAsNumber));
  labelled(root, input, name, chinese).append(shown);
  input.addEventListener("input", () => {
    shown.textContent = words(input.valueAsNumber);
    input.setAttribute("aria-valuetext", shown.textContent);
    change(input.valueAsNumber);
  });
  return input;
}

// Move a slider as a reader would.
export function move(input, value) {
  input.value = value;
  input.dispatchEvent(new Event("input"));
}

export function button(root, { name, chinese, click }) {
  const made = element("button", "lab-button");
  made.type = "button";
  bilingual(made, name, chinese);
  made.addEventListener("click", click);
  root.append(made);
  return made;
}

// A list to choose from; `options` are pairs [value, words]. `change(value)` gets the value as text.
export function choice(root, { name, chinese, options, value, change }) {
  const select = element("select", "lab-choice");
  select.append(...options.map(([each, words]) => new Option(words, each)));
  select.value = value;
  labelled(root, select, name, chinese);
  select.addEventListener("change", () => change(select.value));
  return select;
}

// A line of smaller words, such as a licence.
export function note(root, words) {
  const line = element("p", "lab-caption", words);
  root.append(line);
  return line;
}

// A canvas with words above it.
export function captioned(root, words, className = "lab-shelf") {
  const shelf = group(root, className);
  note(shelf, words);
  return picture(shelf, words);
}

// An <input> for a picture file; `change(file)` gets the one that was chosen.
export function pictureFile(root, { name, chinese, change }) {
  const input = element("input", "lab-file");
  Object.assign(input, { type: "file", accept: "image/*" });
  labelled(root, input, name, chinese);
  input.addEventListener("change", () => input.files.length && change(input.files[0]));
  return input;
}

// A group of controls, laid out beside or below a picture.
export function group(root, className = "lab-controls") {
  const made = element("div", className);
  root.append(made);
  return made;
}

// The one status line, which screen readers read out when it changes.
export function say(root, text) {
  let line = root.querySelector(":scope > .lab-said");
  if (!line) {
    line = element("p", "lab-said");
    line.setAttribute("role", "status");
    line.setAttribute("aria-live", "polite");
    root.append(line);
  }
  line.textContent = text;
}
