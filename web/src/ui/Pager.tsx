import { ActionIcon, Group, Select, Text } from "@mantine/core";
import { IconChevronLeft, IconChevronLeftPipe, IconChevronRight } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { number } from "../format/values";

export const PAGE_SIZES = [25, 50, 100, 200];

interface Props {
  from: number;
  shown: number;
  total: number;
  onFirst?: () => void;
  onPrevious?: () => void;
  onNext?: () => void;
  pageSize?: number;
  onPageSize?: (size: number) => void;
}

/** First, previous, next and "51–100 of 2,000". */
export function Pager({ from, shown, total, onFirst, onPrevious, onNext, pageSize, onPageSize }: Props) {
  const { t, i18n } = useTranslation();
  const text = (value: number) => number(value, i18n.language);
  return (
    <Group gap={6} wrap="nowrap">
      {onPageSize && (
        <Group gap={6} wrap="nowrap" mr={6}>
          <Text size="xs" c="dimmed" aria-hidden>
            {t("common.rowsPerPage")}
          </Text>
          <Select
            aria-label={t("common.rowsPerPage")}
            size="xs"
            w={72}
            data={PAGE_SIZES.map(String)}
            value={String(pageSize)}
            allowDeselect={false}
            onChange={(value) => value && onPageSize(Number(value))}
          />
        </Group>
      )}
      <Text size="sm" className="num" style={{ whiteSpace: "nowrap" }}>
        {t("common.pageRange", { from: text(shown ? from : 0), to: text(from + shown - 1), total: text(total) })}
      </Text>
      <ActionIcon.Group>
        <ActionIcon
          variant="default"
          size={28}
          aria-label={t("common.firstPage")}
          disabled={!onFirst}
          onClick={onFirst}
        >
          <IconChevronLeftPipe size={16} />
        </ActionIcon>
        <ActionIcon
          variant="default"
          size={28}
          aria-label={t("common.previousPage")}
          disabled={!onPrevious}
          onClick={onPrevious}
        >
          <IconChevronLeft size={16} />
        </ActionIcon>
        <ActionIcon variant="default" size={28} aria-label={t("common.nextPage")} disabled={!onNext} onClick={onNext}>
          <IconChevronRight size={16} />
        </ActionIcon>
      </ActionIcon.Group>
    </Group>
  );
}
