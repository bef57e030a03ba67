import { heights } from "./heights";
import style from "./system.module.css";

const HEIGHT = 40;
const STEP = 5;

/** One bar for each value; what is not zero is never too low to be seen. */
export function Bars(props: { values: number[]; colour: string; label: string; hint: (index: number) => string }) {
  const { values, colour, label, hint } = props;
  return (
    <svg
      className={style.bars}
      viewBox={`0 0 ${values.length * STEP} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <line x1={0} x2={values.length * STEP} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} className={style.ground} />
      {heights(values, HEIGHT - 2).map((height, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place in the hour
        <g key={index}>
          <rect x={index * STEP} y={0} width={STEP} height={HEIGHT} className={style.column}>
            <title>{hint(index)}</title>
          </rect>
          <rect
            x={index * STEP + 0.5}
            y={HEIGHT - height}
            width={STEP - 1}
            height={height}
            fill={colour}
            pointerEvents="none"
          />
        </g>
      ))}
    </svg>
  );
}
