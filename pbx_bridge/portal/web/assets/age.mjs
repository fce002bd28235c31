// What the pages take from npm, as one file: see README.md beside it.
export { Decrypter, Encrypter, identityToRecipient } from "age-encryption";
export { chacha20poly1305 } from "@noble/ciphers/chacha.js";
export { sha256 } from "@noble/hashes/sha2.js";
export { scryptAsync } from "@noble/hashes/scrypt.js";
