import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { mockRegion } from "./dev/mock.ts";

/** The running platform that `npm run dev` talks to; `npm run mock` needs none. */
const PLATFORM = process.env.ARCHIPEL_URL ?? "http://127.0.0.1:8042";
const ROUTES = ["/api", "/dicom-web", "/ohif"];

export default defineConfig(() => {
  const mocked = process.env.ARCHIPEL_MOCK === "1";
  return {
    base: "/",
    plugins: [react(), ...(mocked ? [mockRegion()] : [])],
    server: { proxy: mocked ? undefined : Object.fromEntries(ROUTES.map((route) => [route, PLATFORM])) },
    // Nothing is inlined: a data: font or script would need a hole in the content security policy.
    build: { target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 700 },
    test: { include: ["src/**/*.test.ts"] },
  };
});
