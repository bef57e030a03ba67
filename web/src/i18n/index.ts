/** The two languages of the app: the account's, else the last one used here, else the browser's. */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import type { Locale } from "../api/types";
import { en } from "./en";
import { fr } from "./fr";
import { unbroken, withMany } from "./plurals";

export const LOCALES: readonly Locale[] = ["fr", "en"];
const REMEMBERED = "archipel.locale";

export const isLocale = (text: unknown): text is Locale => text === "fr" || text === "en";

function firstLocale(): Locale {
  const remembered = localStorage.getItem(REMEMBERED);
  if (isLocale(remembered)) return remembered;
  return navigator.language.toLowerCase().startsWith("fr") ? "fr" : "en";
}

export function setLocale(locale: Locale): void {
  localStorage.setItem(REMEMBERED, locale);
  void i18next.changeLanguage(locale);
}

i18next.on("languageChanged", (language) => {
  document.documentElement.lang = language;
});

void i18next.use(initReactI18next).init({
  resources: { fr: { translation: withMany(unbroken(fr)) }, en: { translation: en } },
  lng: firstLocale(),
  fallbackLng: "en",
  interpolation: { escapeValue: false },
  returnNull: false,
});

export { i18next };
