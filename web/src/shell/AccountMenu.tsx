import { Popover, SegmentedControl, Stack, Text, useMantineColorScheme } from "@mantine/core";
import { IconKeyboard, IconLogout, IconPassword, IconShieldLock, IconUserCircle } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { saveLocale, signOut } from "../api/calls";
import { isLocale, LOCALES, setLocale } from "../i18n";
import { end, useSession } from "../session/session";
import { notifyError } from "../ui/errors";
import style from "./shell.module.css";

function Choices() {
  const { t, i18n } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const choose = (value: string) => {
    if (!isLocale(value)) return;
    setLocale(value);
    void saveLocale(value).catch(notifyError);
  };
  return (
    <Stack gap={8} p="6px 10px 10px">
      <div>
        <Text size="xs" c="dimmed" mb={3}>
          {t("account.language")}
        </Text>
        <SegmentedControl
          fullWidth
          size="xs"
          aria-label={t("account.language")}
          value={i18n.language}
          onChange={choose}
          data={LOCALES.map((locale) => ({ value: locale, label: locale === "fr" ? "Français" : "English" }))}
        />
      </div>
      <div>
        <Text size="xs" c="dimmed" mb={3}>
          {t("account.theme")}
        </Text>
        <SegmentedControl
          fullWidth
          size="xs"
          aria-label={t("account.theme")}
          value={colorScheme}
          onChange={(value) => setColorScheme(value as "auto" | "light" | "dark")}
          data={[
            { value: "auto", label: t("account.themeAuto") },
            { value: "light", label: t("account.themeLight") },
            { value: "dark", label: t("account.themeDark") },
          ]}
        />
      </div>
    </Stack>
  );
}

function Entry({
  icon,
  side,
  onClick,
  children,
}: {
  icon: ReactNode;
  side?: ReactNode;
  onClick: () => void;
  children: ReactNode;
}) {
  return (
    <button type="button" className={style.link} onClick={onClick}>
      {icon}
      <span style={{ flex: 1 }}>{children}</span>
      {side}
    </button>
  );
}

export function AccountMenu({ narrow, onHelp }: { narrow: boolean; onHelp: () => void }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const [opened, setOpened] = useState(false);
  const { account, aet } = useSession();
  const role = i18n.exists(`roles.${account.role}`) ? t(`roles.${account.role}`) : account.role;
  const leave = async () => {
    try {
      await signOut();
    } catch {
      // The session may be over already: leaving is what was asked.
    }
    end();
    navigate("/sign-in", { replace: true });
  };
  const choose = (act: () => void) => () => {
    setOpened(false);
    act();
  };
  return (
    <Popover opened={opened} onChange={setOpened} position="right-end" width={264} shadow="md" trapFocus returnFocus>
      <Popover.Target>
        <button type="button" className={style.link} style={{ minHeight: 44 }} onClick={() => setOpened(!opened)}>
          <IconUserCircle size={22} stroke={1.6} aria-hidden />
          <span className="hidden-visually">{t("account.menu")}</span>
          <span className={narrow ? "hidden-visually" : style.person}>
            <span className="clip" style={{ display: "block", fontWeight: 600 }}>
              {account.name}
            </span>
            <Text component="span" size="xs" c="dimmed" className="clip" display="block">
              {role}
            </Text>
          </span>
        </button>
      </Popover.Target>
      <Popover.Dropdown p={6} aria-label={t("account.menu")}>
        <Text size="sm" fw={600} p="6px 10px 0">
          {account.name}
        </Text>
        <Text size="xs" c="dimmed" p="0 10px 4px">
          {role}
        </Text>
        <Choices />
        <Stack gap={0}>
          <Entry icon={<IconKeyboard size={17} aria-hidden />} side={<kbd aria-hidden>?</kbd>} onClick={choose(onHelp)}>
            {t("account.help")}
          </Entry>
          <Entry icon={<IconPassword size={17} aria-hidden />} onClick={choose(() => navigate("/password"))}>
            {t("account.changePassword")}
          </Entry>
          <Entry icon={<IconShieldLock size={17} aria-hidden />} onClick={choose(() => navigate("/second-factors"))}>
            {t("account.secondFactors")}
          </Entry>
          <Entry icon={<IconLogout size={17} aria-hidden />} onClick={choose(() => void leave())}>
            {t("account.signOut")}
          </Entry>
        </Stack>
        <Text size="xs" c="dimmed" p="8px 10px 4px">
          {t("account.dicomAddress")} <span className="mono">{aet}</span>
        </Text>
      </Popover.Dropdown>
    </Popover>
  );
}
