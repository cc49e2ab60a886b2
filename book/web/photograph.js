// A picture file of the reader's own, and pictures as numbers. Everything happens in the page.

const LARGEST = 30; // megabytes of a file

// The picture in a file, upright as the camera held it; an Error with one sentence where that fails.
export async function opened(file) {
  const size = Math.round(file.size / 1e6);
  if (size > LARGEST) {
    throw new Error(
      `${file.name} has ${size} MB; choose a file of at most ${LARGEST} MB. · 文件太大，请选择不超过 ${LARGEST} MB 的图片。`,
    );
  }
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Error(
      `${file.name} is no picture that this browser can open; choose a JPEG or PNG file. · 无法打开该文件，请选择 JPEG 或 PNG 图片。`,
    );
  }
}

// {pixels, height, width}: RGB in [0, 1], at most `longest` pixels a side, never larger than it is.
export function scaled(bitmap, longest) {
  const share = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * share)));
  return { pixels: pixelsOf(bitmap, [0, 0, bitmap.width, bitmap.height], width, height), height, width };
}

// The middle square at `side` by `side` pixels: RGB in [0, 1].
export function square(bitmap, side) {
  const short = Math.min(bitmap.width, bitmap.height);
  return pixelsOf(bitmap, [(bitmap.width - short) / 2, (bitmap.height - short) / 2, short, short], side, side);
}

// A part (left, top, width, height) of a picture at another size; what is transparent is laid on white.
export function pixelsOf(bitmap, part, width, height) {
  const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, ...part, 0, 0, width, height);
  const { data } = pen.getImageData(0, 0, width, height);
  const length = 3 * width * height;
  return Float32Array.from({ length }, (_, at) => data[4 * Math.floor(at / 3) + (at % 3)] / 255);
}

// After what was drawn and said is on the screen.
export const onScreen = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
