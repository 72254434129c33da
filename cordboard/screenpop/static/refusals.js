/** Why something that was asked for was not done, in the reader's language: by the code of its outcome. */
import { _ } from "./i18n.js";

/** @typedef {import("./stream.js").Outcome} Outcome */

/** @type {Record<string, (args: Record<string, string>) => string>} */
const WORDS = {
  "call-over": () => _("The call is over."),
  "caller-answered": () => _("The caller has already been answered."),
  "caller-hung-up": () => _("The caller has already hung up."),
  "caller-left": () => _("The caller has already left the queue."),
  "caller-not-waiting": () => _("The caller has already left the queue."),
  "caller-first": () => _("The caller is first already."),
  "caller-last": () => _("The caller is last already."),
  "caller-on-the-way": () => _("The caller is on the way to another place."),
  "caller-not-moved": ({ said }) => _("Not moved: {error}", { error: said }),
  "too-many-alike": () => _("Too many stand there with the same priority: send the caller to the head."),
  "moves-unknown": () => _("This PBX cannot move callers who wait."),
  "moves-need-release": () => _("This PBX cannot move callers who wait."),
  "no-phone": () => _("No phone belongs to you: log in at one first."),
  "in-a-call": () => _("You are in a call."),
  "phone-unanswered": () => _("Your phone did not answer."),
  "phone-not-there": () => _("Your phone did not take the call: it is busy, declined it, or is not there."),
  "no-word": () => _("The PBX did not say what became of it."),
  "no-extension": ({ number }) => _("The PBX cannot dial {number}.", { number }),
  "link-broke": () => _("There is no link to the PBX; try again when it is back."),
  "link-lost": () => _("The link to the PBX is lost; your phone may ring yet."),
  "respondent-gone": () => _("This person is not yours any more."),
  "respondent-state": () => _("This cannot be done now."),
  "respondent-hours": () => _("Nobody of this list is called at this hour."),
  "respondent-no-hours": ({ hours }) => _("The list's calendar {hours} is not in the rule file.", { hours }),
  "no-desk": () => _("This operator has neither a phone nor queues."),
  "no-queues": () => _("No queues are set for you: ask an administrator."),
  "choose-a-phone": () => _("Choose a phone to work at."),
  "phone-is": ({ phone }) => _("Your phone is {phone}: log in there.", { phone }),
  "logged-in-at": ({ phone }) => _("You are logged in at {phone}: log out there first.", { phone }),
  "phone-taken": ({ name, phone }) => _("{name} works at {phone}: two cannot share a phone.", { name, phone }),
  "phone-fixed": ({ phone, queues }) => _("{phone} is a fixed member of {queues}: choose another phone.", { phone, queues }),
  "phone-being-taken": ({ name, phone }) => _("{name} is just logging in at {phone}.", { name, phone }),
  "logging-in": () => _("You are just logging in."),
  "phone-unknown": ({ phone }) => _("The PBX has no phone {phone}.", { phone }),
  "member-fixed": ({ queues }) => _("Nobody logs out of {queues}: that is fixed on the PBX. Pause instead.", { queues }),
  "not-logged-in": () => _("This operator is not logged in."),
  "no-queue-served": () => _("This operator serves no queue."),
  "no-wrapup": () => _("The wrap-up is over."),
  "wrapup-limit": ({ n }) => _("A wrap-up may last {n} s at most.", { n }),
  "no-link": () => _("There is no link to the PBX; try again when it is back."),
  "not-connected": () => _("There is no link to the PBX; try again when it is back."),
  "disk-full": () => _("The server's disk is full: nothing was saved. Try again later."),
  "database-away": () => _("The database is away: nothing was done. Try again later."),
};

/** The sentence for people. What others wrote, such as the PBX, stands in it as it is. */
export function refusal(/** @type {Outcome} */ { code, args, error }) {
  return WORDS[code ?? ""]?.(args) ?? _("Not done: {error}", { error: error ?? "" });
}
