/** Passkeys in the browser: options and credentials as the JSON of WebAuthn 3, whose own conversions older browsers lack. */
import { beginPasskey, beginPasskeyEnrolment } from "../api/signin";

export type Json = Record<string, unknown>;

export const hasPasskeys = (): boolean => typeof window.PublicKeyCredential === "function";

export function toBytes(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

export function toText(bytes: ArrayBuffer | null): string | null {
  if (!bytes) return null;
  const plain = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join("");
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

interface Described {
  id: string;
  type: "public-key";
  transports?: AuthenticatorTransport[];
}

const described = (list: unknown): PublicKeyCredentialDescriptor[] =>
  ((list ?? []) as Described[]).map((one) => ({ ...one, id: toBytes(one.id) }));

function asJson(credential: PublicKeyCredential, response: Json): Json {
  const { id, type, rawId, authenticatorAttachment } = credential;
  return { id, type, rawId: toText(rawId), authenticatorAttachment, response, clientExtensionResults: {} };
}

/** Make a passkey for the account that is signed in. */
export async function makePasskey(): Promise<Json> {
  const options = await beginPasskeyEnrolment();
  const user = options.user as { id: string; name: string; displayName: string };
  const made = (await navigator.credentials.create({
    publicKey: {
      ...(options as unknown as PublicKeyCredentialCreationOptions),
      challenge: toBytes(String(options.challenge)),
      user: { ...user, id: toBytes(user.id) },
      excludeCredentials: described(options.excludeCredentials),
    },
  })) as PublicKeyCredential;
  const { clientDataJSON, attestationObject, getTransports } = made.response as AuthenticatorAttestationResponse;
  const transports = getTransports ? getTransports.call(made.response) : [];
  return asJson(made, {
    clientDataJSON: toText(clientDataJSON),
    attestationObject: toText(attestationObject),
    transports,
  });
}

/** Use a passkey: of the account whose password was right, else whichever the person chooses. */
export async function askPasskey(): Promise<Json> {
  const options = await beginPasskey();
  const used = (await navigator.credentials.get({
    publicKey: {
      ...(options as unknown as PublicKeyCredentialRequestOptions),
      challenge: toBytes(String(options.challenge)),
      allowCredentials: described(options.allowCredentials),
    },
  })) as PublicKeyCredential;
  const { clientDataJSON, authenticatorData, signature, userHandle } = used.response as AuthenticatorAssertionResponse;
  return asJson(used, {
    clientDataJSON: toText(clientDataJSON),
    authenticatorData: toText(authenticatorData),
    signature: toText(signature),
    userHandle: toText(userHandle),
  });
}

/** Whether the person closed the browser's own dialog, which says so itself. */
export const wasCancelled = (reason: unknown): boolean =>
  reason instanceof DOMException && (reason.name === "NotAllowedError" || reason.name === "AbortError");
