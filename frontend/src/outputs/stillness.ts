/** Whether somebody is about to press what outputs above it would move: then these grow only as a frame is drawn. */

let isWanted = false;

export const wantStillness = (wanted: boolean): void => {
  isWanted = wanted;
};

export const isStillnessWanted = (): boolean => isWanted;
