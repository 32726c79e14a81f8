/** What a frame may do how often. Pure: the clock is passed in, in ms. */

const FLOOD_PER_SECOND = 500;
const FLOOD_SECONDS = 2;
const FLOOD_BURST = 2_000;
const BAD_MESSAGES = 3;

export interface Meter {
  /** Counts one message; true when the frame has to be stopped. */
  count(now: number): boolean;
  /** Counts one message that did not parse; true when the frame has to be stopped. */
  countBad(): boolean;
}

/** Over 500 messages a second for 2 s, 2,000 within one second, or 3 bad ones. */
export function createMeter(): Meter {
  let second = Number.NEGATIVE_INFINITY;
  let inSecond = 0;
  let fullSeconds = 0;
  let bad = 0;
  return {
    count(now) {
      if (now - second >= 1_000) {
        fullSeconds = inSecond > FLOOD_PER_SECOND && now - second < 2_000 ? fullSeconds + 1 : 0;
        second = now;
        inSecond = 0;
      }
      inSecond++;
      return inSecond > FLOOD_BURST || (fullSeconds >= FLOOD_SECONDS - 1 && inSecond > FLOOD_PER_SECOND);
    },
    countBad() {
      bad++;
      return bad >= BAD_MESSAGES;
    },
  };
}

/** Lets `most` events through in any window of `windowMs`. */
export function createRate(most: number, windowMs: number): (now: number) => boolean {
  let times: number[] = [];
  return (now) => {
    times = times.filter((time) => now - time < windowMs);
    if (times.length >= most) return false;
    times.push(now);
    return true;
  };
}
