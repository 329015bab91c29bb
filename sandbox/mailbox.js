// The mailbox page. Whatever an email contains is shown with textContent only: it is never markup.

const SHOWN = 100;
const REFRESH_MS = 1000;
const NAMES = { ses: "SES", sendgrid: "SendGrid" };

const badKey = {
  ses: {
    error_rate: 1,
    status: 403,
    error_code: "UnrecognizedClientException",
    error_message: "The security token included in the request is invalid.",
  },
  sendgrid: { error_rate: 1, status: 401 },
};

const presets = (provider) => [
  ["works", "Works", {}],
  ["fails", "Fails with 500", { error_rate: 1, status: 500 }],
  ["slow", "Slow: 2 s", { latency: 2 }],
  ["hangs", "Hangs", { hang_rate: 1 }],
  ["bad-key", "Bad key", badKey[provider]],
];

const byId = (id) => document.getElementById(id);

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function call(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

const notice = (text) => {
  if (byId("notice").textContent !== text) byId("notice").textContent = text;
};

function drawProviders() {
  for (const provider of Object.keys(NAMES)) {
    const group = element("fieldset");
    group.id = `provider-${provider}`;
    group.append(element("legend", NAMES[provider]));
    for (const [key, label, switches] of presets(provider)) {
      group.append(radio(provider, key, label, switches));
    }
    group.append(element("p", "", "meta"));
    byId("providers").append(group);
  }
}

function radio(provider, key, label, switches) {
  const input = element("input");
  Object.assign(input, { type: "radio", name: provider, value: key });
  input.addEventListener("change", () => set(provider, label, switches));
  const holder = element("label");
  holder.append(input, label);
  return holder;
}

async function set(provider, label, switches) {
  try {
    await call(`faults/${provider}`, { method: "PUT", body: JSON.stringify(switches) });
    notice(`${NAMES[provider]}: ${label}`);
  } catch (error) {
    notice(`The switch was not set: ${error.message}`);
  }
  await refresh();
}

const isOn = (switches, active) => {
  const wanted = { error_rate: 0, latency: 0, hang_rate: 0, ...switches };
  return Object.entries(wanted).every(([name, value]) => active[name] === value);
};

const isHealed = (active) =>
  Object.entries(active).every(([name, value]) =>
    name === "status" || !value || (Array.isArray(value) && value.length === 0));

function showProvider(provider, active, calls) {
  const group = byId(`provider-${provider}`);
  const preset = presets(provider).find(([key, , switches]) =>
    key === "works" ? isHealed(active) : isOn(switches, active))?.[0];
  for (const input of group.querySelectorAll("input")) input.checked = input.value === preset;
  group.classList.toggle("faulty", preset !== "works");
  const failed = Object.values(calls.failed).reduce((sum, count) => sum + count, 0);
  const custom = preset ? "" : ", switches set by hand";
  group.querySelector("p").textContent =
    `${calls.accepted} accepted, ${failed} failed, ${calls.in_flight} under way${custom}`;
}

function showCounts(counts) {
  byId("counts").textContent =
    `${counts.total} accepted, ${counts.distinct_ids} different, ${counts.duplicates} twice`;
}

function fact(list, name, value) {
  if (value === null || value === "") return;
  list.append(element("dt", name), element("dd", value));
}

function drawEmail(email) {
  const item = element("li");
  item.dataset.seq = email.seq;
  const details = element("details");
  const summary = element("summary");
  const subject = element("strong", email.subject || "(no subject)");
  const line = element("span", `${time(email)} · to ${everybody(email).join(", ")}`, "meta");
  summary.append(subject, element("span", NAMES[email.provider], "tag"), line);
  details.append(summary);
  details.addEventListener("toggle", () => fill(details, email), { once: true });
  item.append(details);
  return item;
}

const everybody = (email) => [...email.to, ...email.cc, ...email.bcc];

const time = (email) => new Date(email.received_at).toLocaleTimeString();

async function fill(details, { seq }) {
  const found = await call(`mailbox?after=${seq - 1}&limit=1`);
  const email = found.emails.find((one) => one.seq === seq);
  if (!email) return;
  const list = element("dl");
  fact(list, "From", email.from);
  fact(list, "To", email.to.join(", "));
  fact(list, "Cc", email.cc.join(", "));
  fact(list, "Bcc", email.bcc.join(", "));
  fact(list, "Reply to", email.reply_to.join(", "));
  fact(list, "Tags", email.tags.join(", "));
  for (const { name, value } of email.headers) fact(list, name, value);
  fact(list, "Id", email.id);
  fact(list, "Provider's id", email.provider_id);
  fact(list, "Received", new Date(email.received_at).toLocaleString());
  details.append(list);
  if (email.text !== null) details.append(textOf(email.text));
  if (email.html !== null) details.append(htmlOf(email));
  if (email.attachments.length) details.append(filesOf(email));
  if (email.payload === null) details.append(element("p", "Its body is no longer kept.", "meta"));
}

function textOf(text) {
  const pre = element("pre", text);
  pre.tabIndex = 0;
  pre.setAttribute("aria-label", "Text body");
  return pre;
}

// What an email brings may do nothing: no scripts, no forms, no requests, no windows.
function htmlOf({ seq }) {
  const frame = element("iframe");
  frame.setAttribute("sandbox", "");
  frame.title = "HTML body";
  frame.src = `mailbox/html?seq=${seq}`;
  return frame;
}

function filesOf({ attachments }) {
  const list = element("ul", "", "files");
  for (const file of attachments) {
    const link = element("a", file.filename);
    link.href = file.url;
    link.download = file.filename;
    const where = file.inline ? `, shown as cid:${file.content_id}` : "";
    const item = element("li");
    item.append(link, element("span", ` ${file.content_type}, ${file.size} bytes${where}`, "meta"));
    list.append(item);
  }
  return list;
}

function showEmails(emails) {
  const list = byId("emails");
  const wanted = new Set(emails.map((email) => String(email.seq)));
  const present = new Set();
  for (const item of [...list.children]) {
    if (wanted.has(item.dataset.seq)) present.add(item.dataset.seq);
    else item.remove();
  }
  // Only what is new is drawn, so that an opened email stays open and keeps the focus.
  for (const email of emails) {
    if (!present.has(String(email.seq))) list.prepend(drawEmail(email));
  }
  byId("empty").hidden = emails.length > 0;
}

async function refresh() {
  const provider = byId("filter").value;
  const query = `mailbox?brief=yes&limit=${SHOWN}${provider && `&provider=${provider}`}`;
  try {
    const [faults, calls, counts, box] = await Promise.all(
      ["faults", "calls", "mailbox/count", query].map((path) => call(path)));
    for (const name of Object.keys(NAMES)) showProvider(name, faults[name], calls[name]);
    showCounts(counts);
    if (provider === byId("filter").value) showEmails(box.emails);
    document.body.dataset.ready = "yes";
  } catch (error) {
    byId("counts").textContent = `The sandbox does not answer (${error.message}).`;
  }
}

async function refreshForEver() {
  await refresh();
  setTimeout(refreshForEver, document.hidden ? 5 * REFRESH_MS : REFRESH_MS);
}

byId("filter").addEventListener("change", () => {
  byId("emails").replaceChildren();
  refresh();
});
byId("clear").addEventListener("click", async () => {
  await call("mailbox", { method: "DELETE" });
  await refresh();
});
drawProviders();
refreshForEver();
