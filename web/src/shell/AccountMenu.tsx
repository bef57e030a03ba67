import { Menu, SegmentedControl, Stack, Text, useMantineColorScheme } from "@mantine/core";
import { IconKeyboard, IconLogout, IconPassword, IconUserCircle } from "@tabler/icons-react";
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

export function AccountMenu({ narrow, onHelp }: { narrow: boolean; onHelp: () => void }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const { account, aet } = useSession();
  const role = i18n.exists(`roles.${account.role}`) ? t(`roles.${account.role}` as never) : account.role;
  const leave = async () => {
    try {
      await signOut();
    } catch {
      // The session may be over already: leaving is what was asked.
    }
    end();
    navigate("/sign-in", { replace: true });
  };
  return (
    <Menu position="right-end" width={264} shadow="md" withinPortal>
      <Menu.Target>
        <button
          type="button"
          className={style.link}
          aria-label={t("account.menu", { name: account.name })}
          style={{ minHeight: 44 }}
        >
          <IconUserCircle size={22} stroke={1.6} aria-hidden />
          {!narrow && (
            <span className={style.person}>
              <span className="clip" style={{ display: "block", fontWeight: 600 }}>
                {account.name}
              </span>
              <Text component="span" size="xs" c="dimmed" className="clip" display="block">
                {role}
              </Text>
            </span>
          )}
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {account.name} · {role}
        </Menu.Label>
        <Choices />
        <Menu.Divider />
        <Menu.Item leftSection={<IconKeyboard size={16} />} rightSection={<kbd>?</kbd>} onClick={onHelp}>
          {t("account.help")}
        </Menu.Item>
        <Menu.Item leftSection={<IconPassword size={16} />} onClick={() => navigate("/password")}>
          {t("account.changePassword")}
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={leave}>
          {t("account.signOut")}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Label>
          {t("account.dicomAddress")} <span className="mono">{aet}</span>
        </Menu.Label>
      </Menu.Dropdown>
    </Menu>
  );
}
