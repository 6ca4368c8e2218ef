import { embedded } from "./embedded.js";

// In place of the server: lists that stand in the page itself, and nothing else.

/** What cannot be done, in the form in which a server refuses it; status 0 where no answer came at all. */
export class ApiError extends Error {
  constructor({ status = 0, type = "", title = "", detail = "", problems = [] }) {
    super(detail || title);
    Object.assign(this, { status, type, title, detail, problems });
  }
}

/** A server would say here whether it answers. */
export const presence = new EventTarget();

const LISTS = {
  "/choices": () => embedded.choices,
  "/cells": () => embedded.cells,
  "/examples": () => Object.entries(embedded.sources).map(([name, { title }]) => ({ name, title: title || name })),
  "/library": () => ({ items: [], total: 0 }),
};

const nothing = async () => { throw new ApiError({ status: 404, title: "This page is by itself: what needs a server is at lstm-trace serve." }); };

/** One of the lists. @param {string} path */
export const get = async (path) => (LISTS[path] ?? nothing)();

export const href = (path) => path;
export const part = (text) => text;
export const post = nothing, file = nothing;
