import { EngineFailed } from './engine.js';

/** The file that tells the right disk from others is not in the folder, wherever that is. */
export const markerMissing = (side: 'source' | 'destination', folder: string, name: string): EngineFailed =>
  new EngineFailed({
    code: 'marker_missing',
    message: `The file ${name} is not in the ${side} ${folder}: this is not the disk that is meant, or it is not mounted.`,
    exitCode: null,
    retriable: false,
    advice: 'Mount the right disk, then retry the job. On a new disk, make the file yourself.',
  });
