import { type ByteReader, invalidFrame } from './bytes.ts';
import { IntegerDecoder } from './decode-integers.ts';
import { MAX_CLASSES, NumberList } from './layout.ts';

/** Values of all sparse points of one kind, form and quality. */
export interface SparseClass {
  readonly kind: number;
  readonly form: number;
  readonly quality: number;
  readonly offset: number;
  readonly end: number;
  /** Points and samples of the class. */
  points: number;
  samples: number;
}

/** Who the sparse points of a frame are and when they were sampled. */
export class SparseDirectory {
  readonly pointNos: Float64Array;
  readonly tSourceMs: Float64Array;
  readonly tGatewayMs: Float64Array;
  readonly classes: SparseClass[] = [];
  readonly classOf: Float64Array;
  readonly countOf: Float64Array;
  /** Where a point's instants begin in `instants`, and its values in its class. */
  readonly instantFrom: Int32Array;
  readonly valueFrom: Int32Array;
  /** Per sample, point after point: which instant. */
  readonly instants: Int32Array;
  /** Samples of all sparse points. */
  readonly samples: number;
  /** Where the last class ends. */
  readonly end: number;

  /**
   * @param points how many; the caller has checked that a frame can have so many
   * @param maxSamples what all points may have together
   */
  constructor(reader: ByteReader, points: number, maxSamples: number, firstMs: number, classesFrom: number) {
    const integers = new IntegerDecoder();
    const instants = reader.varint();
    if (instants > maxSamples) throw invalidFrame('the frame claims more than it can hold');
    this.tSourceMs = new Float64Array(instants);
    this.tGatewayMs = new Float64Array(instants);
    this.#readInstants(reader, integers, firstMs);
    this.pointNos = new Float64Array(points);
    this.#readNumbers(reader, integers);
    this.end = this.#readClasses(reader, classesFrom);
    this.classOf = new Float64Array(points);
    this.countOf = new Float64Array(points);
    this.instantFrom = new Int32Array(points + 1);
    this.valueFrom = new Int32Array(points);
    integers.decode(reader, this.classOf, points);
    integers.decode(reader, this.countOf, points);
    this.samples = this.#place(maxSamples);
    this.instants = new Int32Array(this.samples);
    this.#readIndices(reader, integers);
  }

  #readInstants(reader: ByteReader, integers: IntegerDecoder, firstMs: number): void {
    const count = this.tSourceMs.length;
    const first = firstMs + reader.varint();
    const unit = reader.varint();
    integers.decode(reader, this.tSourceMs, count);
    integers.decode(reader, this.tGatewayMs, count);
    for (let index = 0; index < count; index++) {
      const ms = first + (this.tSourceMs[index] as number) * unit;
      this.tSourceMs[index] = ms;
      this.tGatewayMs[index] = (this.tGatewayMs[index] as number) + ms;
    }
  }

  #readNumbers(reader: ByteReader, integers: IntegerDecoder): void {
    const nos = this.pointNos;
    const points = nos.length;
    const form = reader.byte();
    if (form === NumberList.gaps) {
      integers.decode(reader, nos, points);
      let previous = -1;
      for (let index = 0; index < points; index++) {
        const gap = nos[index] as number;
        if (!(gap >= 0)) throw invalidFrame('the points of the directory are not in order');
        previous += 1 + gap;
        nos[index] = previous;
      }
      return;
    }
    if (form !== NumberList.bitmap) throw invalidFrame(`a list of point numbers has unknown form ${form}`);
    const first = reader.varint();
    const span = reader.varint();
    if (span > 64 * points + 1024) throw invalidFrame('a bitmap of point numbers is too long for its points');
    const bitmap = new Float64Array(span);
    integers.decode(reader, bitmap, span);
    let found = 0;
    for (let index = 0; index < span; index++) {
      if (bitmap[index] === 0) continue;
      if (found === points) throw invalidFrame('a bitmap of point numbers has too many points');
      nos[found++] = first + index;
    }
    if (found !== points) throw invalidFrame('a bitmap of point numbers has too few points');
  }

  #readClasses(reader: ByteReader, from: number): number {
    const count = reader.varint();
    if (count > MAX_CLASSES) throw invalidFrame(`the frame has ${count} classes; at most ${MAX_CLASSES}`);
    let offset = from;
    for (let index = 0; index < count; index++) {
      const kind = reader.byte();
      const form = reader.byte();
      const quality = reader.byte();
      const end = offset + reader.varint();
      this.classes.push({ kind, form, quality, offset, end, points: 0, samples: 0 });
      offset = end;
    }
    return offset;
  }

  /** Finds out where each point's samples are. @returns samples of all points */
  #place(maxSamples: number): number {
    let samples = 0;
    for (let index = 0; index < this.pointNos.length; index++) {
      const inClass = this.classes[this.classOf[index] as number];
      if (inClass === undefined) throw invalidFrame('a point refers to a class that is not there');
      const count = (this.countOf[index] as number) + 1;
      if (!(count >= 1 && samples + count <= maxSamples)) {
        throw invalidFrame('a point of the directory has an impossible number of samples');
      }
      this.countOf[index] = count;
      this.instantFrom[index] = samples;
      this.valueFrom[index] = inClass.samples;
      inClass.points++;
      inClass.samples += count;
      samples += count;
    }
    this.instantFrom[this.pointNos.length] = samples;
    return samples;
  }

  #readIndices(reader: ByteReader, integers: IntegerDecoder): void {
    const points = this.pointNos.length;
    const firsts = new Float64Array(points);
    const steps = new Float64Array(this.samples - points);
    integers.decode(reader, firsts, points);
    integers.decode(reader, steps, steps.length);
    let step = 0;
    let at = 0;
    for (let index = 0; index < points; index++) {
      const end = this.instantFrom[index + 1] as number;
      let instant = firsts[index] as number;
      for (;;) {
        if (!(instant >= 0 && instant < this.tSourceMs.length)) {
          throw invalidFrame('a sample refers to an instant that is not there');
        }
        this.instants[at++] = instant;
        if (at === end) break;
        instant += steps[step++] as number;
      }
    }
  }
}
