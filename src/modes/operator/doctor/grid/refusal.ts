/** Answers that the grid refuses to this user, or does not know how to give. */
import { GridError, hasReason } from '../../../../infoblox/errors.ts';

/** Waits for an answer, or the grid's refusal of it. @throws GridError if the grid does not answer as one should */
export async function orRefusal<T>(answer: Promise<T>): Promise<T | GridError> {
  try {
    return await answer;
  } catch (error) {
    if (hasReason(error, 'permission', 'rejected', 'missing', 'conflict', 'licence')) return error;
    throw error;
  }
}

/** Waits for an answer; undefined if the grid refuses it. @throws GridError as `orRefusal` */
export async function unlessRefused<T>(answer: Promise<T>): Promise<T | undefined> {
  const given = await orRefusal(answer);
  return given instanceof GridError ? undefined : given;
}
