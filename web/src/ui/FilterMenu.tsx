import { Button, Checkbox, Popover, Stack } from "@mantine/core";
import { IconChevronDown } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

interface Props {
  label: string;
  all: string;
  options: { value: string; label: string }[];
  value: string[];
  onChange: (value: string[]) => void;
}

/** Several of a few: a button that says what is chosen and opens a list of boxes. */
export function FilterMenu({ label, all, options, value, onChange }: Props) {
  const { t } = useTranslation();
  return (
    <Popover position="bottom-start" shadow="md" trapFocus returnFocus>
      <Popover.Target>
        <Button
          variant="default"
          fw={500}
          px={10}
          rightSection={<IconChevronDown size={14} aria-hidden />}
          aria-label={`${label}: ${value.length ? value.join(", ") : all}`}
          style={
            value.length
              ? { borderColor: "var(--app-accent)", background: "var(--app-selected)" }
              : { color: "var(--mantine-color-placeholder)" }
          }
        >
          {value.length ? value.slice(0, 3).join(", ") + (value.length > 3 ? ` +${value.length - 3}` : "") : all}
        </Button>
      </Popover.Target>
      <Popover.Dropdown p="xs">
        <Stack gap={8} mah={320} style={{ overflowY: "auto" }} p={4}>
          <Checkbox.Group value={value} onChange={onChange} aria-label={label}>
            <Stack gap={8}>
              {options.map((option) => (
                <Checkbox key={option.value} size="xs" value={option.value} label={option.label} />
              ))}
            </Stack>
          </Checkbox.Group>
          {value.length > 0 && (
            <Button size="compact-xs" variant="subtle" onClick={() => onChange([])}>
              {t("exams.clear")}
            </Button>
          )}
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
