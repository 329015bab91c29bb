// sqs-consumer with the AWS SDK for JavaScript v3 and @sendgrid/mail: a consumer takes ten
// messages, sends them at once, deletes what was accepted in one call, and receives again.
// A failed send is left on the queue until its visibility timeout ends.

import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { SendEmailCommand, SESv2Client } from "@aws-sdk/client-sesv2";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import sendgrid from "@sendgrid/mail";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { Consumer } from "sqs-consumer";

const { CA_FILE, DEAD, IN_FLIGHT = "256", SENDGRID_API_KEY, SENDGRID_URL, SQS_URLS } = process.env;
const BATCH = 10;
const inFlight = Number(IN_FLIGHT);
const queues = SQS_URLS.split(",");
// A consumer works on one batch at a time, so both providers' rooms tell how many are needed.
const consumersAQueue = Math.ceil((2 * inFlight) / BATCH / queues.length);

const options = {
  keepAlive: true,
  maxSockets: Infinity,
  maxFreeSockets: 4 * inFlight, // more than can be open: none is closed that will be needed again
  ca: CA_FILE && readFileSync(CA_FILE),
};
const httpAgent = new http.Agent(options);
const httpsAgent = new https.Agent(options);
const requestHandler = new NodeHttpHandler({
  httpAgent,
  httpsAgent,
  connectionTimeout: 3_000,
  requestTimeout: 30_000,
});
// `cacheMiddleware` resolves a command's middleware once; `md5: false` trusts TCP and TLS.
const sqs = new SQSClient({
  requestHandler,
  cacheMiddleware: true,
  md5: false,
  useQueueUrlAsEndpoint: true,
});
// SES has no idempotency token: what an SDK sends again may arrive twice.
const ses = new SESv2Client({ requestHandler, cacheMiddleware: true, maxAttempts: 1 });
sendgrid.setApiKey(SENDGRID_API_KEY);
sendgrid.setTimeout(10_000);
// Without redirects to follow, axios spares a wrapper around every request.
sendgrid.client.setDefaultRequest({
  baseUrl: SENDGRID_URL,
  httpAgent,
  httpsAgent,
  maxRedirects: 0,
});

function sendWithSes(id, email) {
  return ses.send(
    new SendEmailCommand({
      FromEmailAddress: email.fromEmail,
      Destination: { ToAddresses: [email.toEmail] },
      Content: {
        Simple: {
          Subject: { Data: email.subject, Charset: "UTF-8" },
          Body: { Text: { Data: email.body, Charset: "UTF-8" } },
          Headers: [{ Name: "X-Gomail-Id", Value: id }],
        },
      },
    }),
  );
}

function sendWithSendgrid(id, email) {
  return sendgrid.send({
    from: email.fromEmail,
    to: email.toEmail,
    subject: email.subject || "(no subject)",
    text: email.body,
    customArgs: { gomail_id: id },
  });
}

let sent = 0;

/** The id and the email of a message; undefined if it is none, which is for the dead letters. */
function read(body) {
  try {
    const { id, email } = JSON.parse(body);
    return id && email ? { id, email } : undefined;
  } catch {
    return undefined;
  }
}

/** Answers whether the message may be deleted. */
async function dispatch(message) {
  try {
    const wire = read(message.Body);
    if (wire === undefined) {
      await sqs.send(new SendMessageCommand({ QueueUrl: DEAD, MessageBody: message.Body }));
    } else {
      await (sent++ % 2 ? sendWithSendgrid : sendWithSes)(wire.id, wire.email);
    }
    return true;
  } catch (error) {
    console.error(`a message was not accepted: ${error.message}`);
    return false; // its visibility timeout returns it
  }
}

const busy = new Set();
let stopping = false;

function ended(consumer) {
  busy.delete(consumer);
  if (stopping && busy.size === 0) {
    process.exit(0);
  }
}

function consume(queueUrl) {
  const consumer = Consumer.create({
    queueUrl,
    sqs,
    batchSize: BATCH,
    waitTimeSeconds: 20,
    handleMessageBatch: async (messages) => {
      busy.add(consumer);
      const accepted = await Promise.all(messages.map(dispatch));
      return messages.filter((_, index) => accepted[index]);
    },
  });
  consumer.on("response_processed", () => ended(consumer));
  consumer.on("error", (error) => {
    console.error(error.message);
    ended(consumer);
  });
  consumer.start();
  return consumer;
}

const consumers = queues.flatMap((url) => Array.from({ length: consumersAQueue }, () => consume(url)));

process.on("SIGTERM", () => {
  stopping = true;
  for (const consumer of consumers) {
    consumer.stop();
  }
  ended(undefined);
});
