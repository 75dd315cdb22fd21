/** Arrays as described binary buffers; the Python side is `medilytica_widgets/wire/buffers.py`. */

export interface BufferDescription {
  name: string;
  dtype: Dtype;
  shape: number[];
}

export type Dtype = "u1" | "i1" | "u2" | "i2" | "u4" | "i4" | "i8" | "f4" | "f8";
export type TypedArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

const CONSTRUCTORS = {
  u1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  u4: Uint32Array,
  i4: Int32Array,
  i8: BigInt64Array,
  f4: Float32Array,
  f8: Float64Array,
} as const;

export interface DecodedArray {
  data: TypedArray;
  shape: number[];
}

/** Return the arrays by name. Throws where count, name, dtype, shape or length do not fit the description. */
export function decode(
  descriptions: readonly BufferDescription[],
  payload: readonly (ArrayBufferView | ArrayBuffer)[],
): Record<string, DecodedArray> {
  if (descriptions.length !== payload.length) {
    throw new Error(`${descriptions.length} buffers are described, ${payload.length} came.`);
  }
  const arrays: Record<string, DecodedArray> = Object.create(null);
  descriptions.forEach(({ name, dtype, shape }, k) => {
    if (name in arrays) throw new Error(`Two buffers are called ${name}.`);
    // Own names only: "constructor" is no dtype.
    if (!Object.hasOwn(CONSTRUCTORS, dtype)) throw new Error(`The buffer ${name} is of unknown dtype ${dtype}.`);
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
      throw new Error(`The shape of the buffer ${name} must be whole numbers; it is ${shape.join("×")}.`);
    }
    const make = CONSTRUCTORS[dtype];
    const bytes = asBytes(payload[k]!);
    const items = shape.reduce((a, b) => a * b, 1);
    if (bytes.byteLength !== items * make.BYTES_PER_ELEMENT) {
      throw new Error(
        `The buffer ${name} has ${bytes.byteLength} bytes; ${dtype} of shape ` +
          `${shape.join("×")} needs ${items * make.BYTES_PER_ELEMENT}.`,
      );
    }
    // A typed array must start at a multiple of its item size, which a buffer inside a message need not do.
    const whole = bytes.byteOffset % make.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
    arrays[name] = { data: new make(whole.buffer as ArrayBuffer, whole.byteOffset, items), shape };
  });
  return arrays;
}

/** The bytes of a buffer as the comm hands it over: JupyterLab gives DataViews, other front ends ArrayBuffers. */
export function asBytes(raw: ArrayBufferView | ArrayBuffer): Uint8Array {
  return ArrayBuffer.isView(raw)
    ? new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength)
    : new Uint8Array(raw);
}
