import type { Plugin } from "vite";
export function mockRegion(): Plugin {
  return { name: "mock-region" };
}
