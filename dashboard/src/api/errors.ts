// What can go wrong with a request, in the words of the API.

export interface FieldError {
  field: string;
  message: string;
}

/** The header that says why something is done. */
export const REASON_HEADER = "X-Celeriac-Reason";

/** An answer that is not 2xx, or none at all (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly requestId: string | null;
  readonly errors: FieldError[];
  readonly retryAfter: number | null;

  constructor(status: number, body: Record<string, unknown>, retryAfter: number | null = null) {
    super(typeof body.detail === "string" ? body.detail : sentenceOf(status));
    this.name = "ApiError";
    this.status = status;
    this.code = typeof body.code === "string" ? body.code : `HTTP_${status}`;
    this.requestId = typeof body.request_id === "string" ? body.request_id : null;
    this.errors = Array.isArray(body.errors) ? (body.errors as FieldError[]) : [];
    this.retryAfter = retryAfter;
  }

  /** Whether nobody answered: the network, or a proxy in place of the API. */
  get isAway(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }

  /** Whether operators want it said why this is done. */
  get wantsReason(): boolean {
    return this.errors.some(
      ({ field, message }) => field === REASON_HEADER && message.startsWith("is needed"),
    );
  }

  /** Whether this version of the API has no such endpoint. */
  get isAbsent(): boolean {
    return (this.status === 404 && this.code === "NOT_FOUND") || this.status === 405;
  }
}

function sentenceOf(status: number): string {
  if (status === 0) return "Celeriac does not answer.";
  if (status === 502 || status === 504) return "The proxy answers, Celeriac does not.";
  return `The answer was ${status}.`;
}
