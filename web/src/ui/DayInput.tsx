import { DateInput, type DateInputProps } from "@mantine/dates";
import { useTranslation } from "react-i18next";
import { typedDate } from "../exams/search";

type Props = Omit<DateInputProps, "value" | "onChange"> & {
  value: string | undefined;
  onChange: (iso: string | undefined) => void;
};

/** A date that is typed as people write it, or picked. The value is ISO. */
export function DayInput({ value, onChange, ...rest }: Props) {
  const { t } = useTranslation();
  return (
    <DateInput
      valueFormat="DD/MM/YYYY"
      placeholder={t("exams.dateFormat")}
      dateParser={(text) => typedDate(text)}
      clearable
      value={value ?? null}
      onChange={(iso) => onChange(iso ?? undefined)}
      popoverProps={{ withinPortal: true }}
      clearButtonProps={{ "aria-label": t("exams.clear"), tabIndex: -1 }}
      {...rest}
    />
  );
}
