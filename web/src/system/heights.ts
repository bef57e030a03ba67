const LOWEST = 2;

/** How high each bar is when the highest value is `height`; zero stays zero, and what is not zero can be seen. */
export function heights(values: readonly number[], height: number): number[] {
  const most = Math.max(0, ...values);
  return values.map((value) => (value > 0 && most > 0 ? Math.max(LOWEST, (height * value) / most) : 0));
}
