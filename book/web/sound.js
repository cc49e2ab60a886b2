// Sound as in aigc_lab/sound.py and aigc_lab/evaluate/spoken.py: short-time spectrum, Griffin and Lim's search
// for a phase, and the bytes of a WAV file. A spectrum is {real, imaginary}, frame by frame, BINS numbers each.

import { uniforms } from "./core.js";

export const RATE = 8000; // samples a second
const SIZE = 256; // samples of a frame, a power of 2
const HOP = 80; // samples from frame to frame
const BINS = SIZE / 2 + 1; // frequencies from 0 to half the rate
const MOMENTUM = 0.99;
const PEAK = 0.5; // loudest sample of a word
const DECADES = 3; // from the darkest to the lightest of a picture, in log10 of the amplitude
const WINDOW = Float64Array.from({ length: SIZE }, (_, at) => 0.5 - 0.5 * Math.cos((2 * Math.PI * at) / SIZE));

// -- Fourier's transform ----------------------------------------------------------------------------------

const REVERSED = Uint16Array.from({ length: SIZE }, (_, at) => {
  let found = 0;
  for (let bit = 1; bit < SIZE; bit *= 2) found = found * 2 + ((at & bit) > 0);
  return found;
});
const COSINE = Float64Array.from({ length: SIZE / 2 }, (_, at) => Math.cos((2 * Math.PI * at) / SIZE));
const SINE = Float64Array.from({ length: SIZE / 2 }, (_, at) => Math.sin((2 * Math.PI * at) / SIZE));

// In place, of SIZE complex numbers (Cooley and Tukey 1965); the way back is the same with both parts swapped.
export function transform(real, imaginary) {
  for (let at = 0; at < SIZE; at += 1) {
    const other = REVERSED[at];
    if (other <= at) continue;
    [real[at], real[other]] = [real[other], real[at]];
    [imaginary[at], imaginary[other]] = [imaginary[other], imaginary[at]];
  }
  for (let half = 1; half < SIZE; half *= 2) {
    const stride = SIZE / (2 * half);
    for (let first = 0; first < SIZE; first += 2 * half) {
      for (let place = 0; place < half; place += 1) {
        const low = first + place;
        const high = low + half;
        const cosine = COSINE[place * stride];
        const sine = SINE[place * stride];
        const turned = real[high] * cosine + imaginary[high] * sine;
        const other = imaginary[high] * cosine - real[high] * sine;
        real[high] = real[low] - turned;
        imaginary[high] = imaginary[low] - other;
        real[low] += turned;
        imaginary[low] += other;
      }
    }
  }
}

// The first `frames` frames (an even number) of a wave's spectrum, centred, with zeros beyond both ends.
export function spectrum(wave, frames) {
  const found = { real: new Float64Array(frames * BINS), imaginary: new Float64Array(frames * BINS) };
  const padded = new Float64Array((frames - 1) * HOP + SIZE);
  padded.set(wave.subarray(0, padded.length - SIZE / 2), SIZE / 2);
  const real = new Float64Array(SIZE);
  const imaginary = new Float64Array(SIZE);
  for (let frame = 0; frame < frames; frame += 2) {
    // Two real frames in one complex transform: the first is its even part, the second its odd part.
    for (let at = 0; at < SIZE; at += 1) {
      real[at] = padded[frame * HOP + at] * WINDOW[at];
      imaginary[at] = padded[(frame + 1) * HOP + at] * WINDOW[at];
    }
    transform(real, imaginary);
    for (let bin = 0; bin < BINS; bin += 1) {
      const other = (SIZE - bin) % SIZE;
      const first = frame * BINS + bin;
      const second = first + BINS;
      found.real[first] = (real[bin] + real[other]) / 2;
      found.imaginary[first] = (imaginary[bin] - imaginary[other]) / 2;
      found.real[second] = (imaginary[bin] + imaginary[other]) / 2;
      found.imaginary[second] = (real[other] - real[bin]) / 2;
    }
  }
  return found;
}

// The wave of that many samples whose spectrum is nearest to the given one (Griffin and Lim 1984, equation 6).
export function fromSpectrum({ real, imaginary }, frames, length) {
  const total = new Float64Array((frames - 1) * HOP + SIZE);
  const weight = new Float64Array(total.length);
  const above = new Float64Array(SIZE);
  const beside = new Float64Array(SIZE);
  for (let frame = 0; frame < frames; frame += 2) {
    for (let bin = 0; bin < BINS; bin += 1) {
      const first = frame * BINS + bin;
      const second = first + BINS;
      const inner = bin > 0 && bin < BINS - 1 ? 1 : 0; // what belongs to a wave is real at both ends
      above[bin] = real[first] - inner * imaginary[second];
      beside[bin] = inner * imaginary[first] + real[second];
      if (inner) {
        above[SIZE - bin] = real[first] + imaginary[second];
        beside[SIZE - bin] = real[second] - imaginary[first];
      }
    }
    transform(beside, above); // swapped: the way back
    for (let at = 0; at < SIZE; at += 1) {
      const square = WINDOW[at] ** 2;
      total[frame * HOP + at] += (above[at] / SIZE) * WINDOW[at];
      weight[frame * HOP + at] += square;
      total[(frame + 1) * HOP + at] += (beside[at] / SIZE) * WINDOW[at];
      weight[(frame + 1) * HOP + at] += square;
    }
  }
  return Float64Array.from({ length }, (_, at) => total[at + SIZE / 2] / Math.max(weight[at + SIZE / 2], 1e-8));
}

// A wave whose spectrum has about the given magnitude, `frames` times BINS numbers. The phase begins at random,
// with the numbers that `uniforms(seed)` gives; then as griffin_lim in Python.
export function griffinLim(magnitude, frames, length, iterations = 60, seed = 0) {
  const uniform = uniforms(seed);
  const turned = { real: new Float64Array(magnitude.length), imaginary: new Float64Array(magnitude.length) };
  magnitude.forEach((value, at) => {
    const turn = 2 * Math.PI * uniform();
    turned.real[at] = value * Math.cos(turn);
    turned.imaginary[at] = value * Math.sin(turn);
  });
  let before = { real: new Float64Array(magnitude.length), imaginary: new Float64Array(magnitude.length) };
  for (let iteration = 0; iteration < iterations; iteration += 1) {
    const found = spectrum(fromSpectrum(turned, frames, length), frames);
    for (let at = 0; at < magnitude.length; at += 1) {
      const ahead = found.real[at] + MOMENTUM * (found.real[at] - before.real[at]);
      const beside = found.imaginary[at] + MOMENTUM * (found.imaginary[at] - before.imaginary[at]);
      const share = magnitude[at] / Math.max(Math.sqrt(ahead * ahead + beside * beside), 1e-12);
      turned.real[at] = share * ahead;
      turned.imaginary[at] = share * beside;
    }
    before = found;
  }
  return fromSpectrum(turned, frames, length);
}

// -- pictures and files -------------------------------------------------------------------------------------

// The wave (Float32Array, peak .5) of a picture in [0, 1], frame by frame; `undo` leads from its bands back to
// frequencies, bands times BINS numbers: the pseudo-inverse of the mel bands.
export function fromPicture(picture, undo, iterations = 60, seed = 0) {
  const bands = undo.length / BINS;
  const frames = picture.length / bands;
  const loud = WINDOW.reduce((sum, value) => sum + value, 0) / 2;
  const magnitude = new Float64Array(frames * BINS);
  for (let frame = 0; frame < frames; frame += 1) {
    for (let band = 0; band < bands; band += 1) {
      const level = picture[frame * bands + band];
      if (!(level > 0)) continue; // the darkest is silence
      const amplitude = 10 ** (DECADES * (level - 1) - 1) * loud;
      for (let bin = 0; bin < BINS; bin += 1) magnitude[frame * BINS + bin] += amplitude * undo[band * BINS + bin];
    }
  }
  const wave = griffinLim(
    magnitude.map((value) => Math.max(0, value)),
    frames,
    frames * HOP - 1,
    iterations,
    seed,
  ).map((value) => Math.max(-1, Math.min(1, value)));
  const peak = wave.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  return Float32Array.from(wave, (value) => (PEAK * value) / peak);
}

// The bytes of a WAV file, 16 bit, one channel.
export function wavFile(wave) {
  const bytes = new DataView(new ArrayBuffer(44 + 2 * wave.length));
  const words = (place, text) => [...text].forEach((sign, at) => bytes.setUint8(place + at, sign.charCodeAt(0)));
  words(0, "RIFF");
  bytes.setUint32(4, bytes.byteLength - 8, true);
  words(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true); // bytes of what follows on the form
  bytes.setUint16(20, 1, true); // whole numbers, not packed
  bytes.setUint16(22, 1, true); // channels
  bytes.setUint32(24, RATE, true);
  bytes.setUint32(28, 2 * RATE, true); // bytes a second
  bytes.setUint16(32, 2, true); // bytes a sample
  bytes.setUint16(34, 16, true); // bits a sample
  words(36, "data");
  bytes.setUint32(40, 2 * wave.length, true);
  wave.forEach((value, at) => bytes.setInt16(44 + 2 * at, Math.round(32767 * value), true));
  return bytes.buffer;
}
