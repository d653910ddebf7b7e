/** What the page says when something went wrong or is over, and what there is to do about it. Words only. */
import type { SessionEnd } from '../../../src/agent/client-events.ts';
import type { Failure, FailureCode } from './failure.ts';

/** What the button under the words does: call again, go back to the agents, load the page anew, or no button. */
export type FailureAction = 'retry' | 'choose' | 'reload' | 'none';

export interface FailureWords {
  title: string;
  /** What to do. */
  advice: string;
  action: FailureAction;
}

const OUR_FAULT =
  'This is a fault on our side, not yours. Call again; if it stays, tell whoever runs this service the code below.';
const OLD_PAGE = 'The page and the server are of different versions. Reload the page.';
const SETTINGS = 'Tell whoever runs this service the code below; calling again won’t help before they have changed it.';

const WORDS: Record<FailureCode, FailureWords> = {
  MIC_INSECURE: {
    title: 'The microphone needs a secure address',
    advice:
      'Browsers allow the microphone only on https:// addresses and on localhost. Open this page by such an address.',
    action: 'none',
  },
  MIC_DENIED: {
    title: 'The microphone is blocked for this page',
    advice: 'Allow it in the site settings (the icon to the left of the address), then call again.',
    action: 'retry',
  },
  MIC_DISMISSED: {
    title: 'The microphone was not allowed yet',
    advice: 'Call again and choose “Allow” when the browser asks.',
    action: 'retry',
  },
  MIC_BLOCKED_BY_SYSTEM: {
    title: 'Your system keeps the microphone from the browser',
    advice: 'Allow the microphone for this browser in the privacy settings of your system, then call again.',
    action: 'retry',
  },
  MIC_NONE: {
    title: 'No microphone found',
    advice: 'Plug one in or switch it on, then call again.',
    action: 'retry',
  },
  MIC_BUSY: {
    title: 'The microphone can’t be opened',
    advice: 'Another program may be using it. Close that program or choose another microphone, then call again.',
    action: 'retry',
  },
  MIC_LOST: {
    title: 'Your microphone is gone',
    advice: 'The agent can’t hear you; the call goes on. Plug a microphone in, or type below.',
    action: 'retry',
  },
  CAMERA_BLOCKED: {
    title: 'The camera is blocked for this page',
    advice: 'Allow it in the site settings. If it is not listed there, the server does not let its page use a camera.',
    action: 'none',
  },
  CAMERA_NONE: { title: 'No camera found', advice: 'Plug one in or switch it on.', action: 'none' },
  CAMERA_BUSY: {
    title: 'The camera can’t be opened',
    advice: 'Another program may be using it. Close that program, then try again.',
    action: 'none',
  },
  CAMERA_LOST: {
    title: 'Your camera is gone',
    advice: 'The others see you no more; the call goes on.',
    action: 'none',
  },
  BROWSER_UNSUPPORTED: {
    title: 'This browser can’t make calls',
    advice: 'Use a current version of Chrome, Edge, Firefox or Safari. In-app browsers often lack WebRTC.',
    action: 'none',
  },
  AGENTS_NONE: {
    title: 'Nobody is there to answer',
    advice: 'The server has no agent to offer at the moment. Try again shortly.',
    action: 'reload',
  },
  AGENTS_CLOSED: {
    title: 'No agent can be called from here',
    advice: 'All agents of this server want an API key. Whoever runs it can open one (auth.openAgents).',
    action: 'reload',
  },
  SERVER_UNREACHABLE: {
    title: 'The server can’t be reached',
    advice: 'Check your connection and that the server is running, then try again.',
    action: 'retry',
  },
  SERVER_ANSWER: {
    title: 'The server’s answer makes no sense here',
    advice: OLD_PAGE,
    action: 'reload',
  },
  CONNECTION_LOST: {
    title: 'The connection is lost',
    advice: 'It did not come back in time, so the call is over. Check your network and call again.',
    action: 'retry',
  },
  MEDIA_UNREACHABLE: {
    title: 'Sound can’t get through',
    advice: 'A firewall or VPN may block WebRTC (UDP). Try another network, or switch the VPN off, and call again.',
    action: 'retry',
  },
  PAGE_BROKEN: {
    title: 'The page stumbled',
    advice: 'Reload it and call again. If it stays, report the code below.',
    action: 'reload',
  },

  ERR_TOKEN_EXPIRED: {
    title: 'The invitation has expired',
    advice: 'Calls must be taken up soon after they are set up. Call again to get a new one.',
    action: 'retry',
  },
  ERR_TOKEN_INVALID: {
    title: 'The server does not accept this invitation',
    advice: 'Call again to get a new one. If it stays, the server’s secret may have changed: reload the page.',
    action: 'retry',
  },
  ERR_TOKEN_REPLAYED: {
    title: 'This invitation was used before',
    advice: 'Each one opens one call. Call again to get a new one.',
    action: 'retry',
  },
  ERR_UNAUTHORIZED: {
    title: 'This page may not place calls here',
    advice: 'The server wants an API key for this agent. Choose another agent, or ask whoever runs this service.',
    action: 'choose',
  },
  ERR_FORBIDDEN: {
    title: 'You may not call this agent',
    advice: 'Choose another agent, or ask whoever runs this service for access.',
    action: 'choose',
  },
  ERR_AGENT_UNKNOWN: {
    title: 'There is no such agent',
    advice: 'It may have been renamed or taken away. Choose another one.',
    action: 'choose',
  },
  ERR_AGENT_INVALID: {
    title: 'This agent can’t be started',
    advice: 'It is set up wrongly. Choose another one, and tell whoever runs this service.',
    action: 'choose',
  },
  ERR_AGENT_FAILED: {
    title: 'The agent broke down',
    advice: OUR_FAULT,
    action: 'retry',
  },
  ERR_SESSION_LIMIT: {
    title: 'All lines are busy',
    advice: 'This point of presence takes no more calls right now. Try again when someone has hung up.',
    action: 'retry',
  },
  ERR_RATE_LIMITED: {
    title: 'Too many calls from your address',
    advice: 'Wait a little, then call again.',
    action: 'retry',
  },
  ERR_ROOM_AGENT: {
    title: 'This room has another agent',
    advice: 'Join with the agent that the room has, or choose another room.',
    action: 'none',
  },
  ERR_ROOM_RESIDENCY: {
    title: 'This room is under other data rules',
    advice: 'Your data may not go where the data of this room goes. Choose another room.',
    action: 'none',
  },
  ERR_ROOM_FULL: {
    title: 'The room is full',
    advice: 'Try again when someone has left.',
    action: 'retry',
  },
  ERR_SHUTTING_DOWN: {
    title: 'The server is being restarted',
    advice: 'It takes no new calls at the moment. Try again shortly.',
    action: 'retry',
  },
  ERR_PLACEMENT_NO_CORE: {
    title: 'No room for this call just now',
    advice: 'No server that can run this agent is free. Try again shortly.',
    action: 'retry',
  },
  ERR_HANDOVER_REFUSED: { title: 'The call stays where it is', advice: OUR_FAULT, action: 'none' },
  ERR_PLACEMENT_RESIDENCY: {
    title: 'This call may not run anywhere',
    advice: `No place satisfies the rule about where its data may go. ${SETTINGS}`,
    action: 'choose',
  },
  ERR_EGRESS_FORBIDDEN: {
    title: 'Data was kept in its place',
    advice:
      'The agent tried to reach a service outside the places that this call may touch. Whoever runs it should look.',
    action: 'retry',
  },
  ERR_SESSION_UNKNOWN: {
    title: 'The call is gone',
    advice: 'The server no longer knows it; it may have been restarted. Call again.',
    action: 'retry',
  },
  ERR_SESSION_ENDED: {
    title: 'The call ended while you were away',
    advice: 'Call again to begin a new one.',
    action: 'retry',
  },
  ERR_SUPERSEDED: {
    title: 'The call went on somewhere else',
    advice: 'It was taken up in another tab or window. Carry on there, or call again here.',
    action: 'retry',
  },

  ERR_MEDIA_CONNECT_TIMEOUT: {
    title: 'Sound did not get through in time',
    advice: 'A firewall or VPN may block WebRTC (UDP). Try another network, or switch the VPN off, and call again.',
    action: 'retry',
  },
  ERR_MEDIA_WORKER_DIED: {
    title: 'The sound broke off',
    advice: 'A part of the server failed and could not be replaced in time. Call again.',
    action: 'retry',
  },
  ERR_MEDIA_WORKER_MISSING: { title: 'The server can’t handle sound', advice: SETTINGS, action: 'none' },
  ERR_MEDIA_PARAMETERS: {
    title: 'The server can’t use this browser’s sound',
    advice: 'Try a current version of Chrome, Edge, Firefox or Safari.',
    action: 'none',
  },
  ERR_MEDIA_STATE: { title: 'The sound got out of step', advice: OUR_FAULT, action: 'retry' },

  ERR_PROTOCOL_MALFORMED: { title: 'The server did not understand the page', advice: OLD_PAGE, action: 'reload' },
  ERR_PROTOCOL_METHOD: { title: 'The server did not understand the page', advice: OLD_PAGE, action: 'reload' },
  ERR_PROTOCOL_ORDER: { title: 'The server did not understand the page', advice: OLD_PAGE, action: 'reload' },
  ERR_PROTOCOL_VERSION: { title: 'This page is out of date', advice: OLD_PAGE, action: 'reload' },
  ERR_PROTOCOL_FLOOD: {
    title: 'Too many messages at once',
    advice: 'The server cut the call off to protect the others. Wait a little, then call again.',
    action: 'retry',
  },
  ERR_PROTOCOL_JOIN_TIMEOUT: {
    title: 'Joining took too long',
    advice: 'Your connection may be very slow just now. Call again.',
    action: 'retry',
  },

  ERR_BACKBONE_CLOSED: { title: 'The line to the agent is down', advice: OUR_FAULT, action: 'retry' },
  ERR_BACKBONE_TIMEOUT: { title: 'The line to the agent is slow', advice: OUR_FAULT, action: 'retry' },
  ERR_BACKBONE_PROTOCOL: { title: 'The line to the agent is broken', advice: OUR_FAULT, action: 'retry' },
  ERR_BACKBONE_VERSION: { title: 'The servers are of different versions', advice: OUR_FAULT, action: 'retry' },
  ERR_BACKBONE_EPOCH: { title: 'The call moved on without us', advice: OUR_FAULT, action: 'retry' },
  ERR_REGISTRY_CONFLICT: { title: 'Two of us reached for this call', advice: OUR_FAULT, action: 'retry' },
  ERR_REGISTRY_UNAVAILABLE: {
    title: 'The server can’t look up calls just now',
    advice: 'It has lost its directory of calls for the moment. Try again shortly.',
    action: 'retry',
  },
  ERR_REGISTRY_REFUSED: { title: 'The server may not look up calls', advice: OUR_FAULT, action: 'retry' },
  ERR_REGISTRY_UNSUPPORTED: { title: 'This call belongs to a newer server', advice: OUR_FAULT, action: 'retry' },
  ERR_REGISTRY_ZONE: {
    title: 'This call may not be held here',
    advice: 'It is pinned to another place than this server keeps calls in.',
    action: 'none',
  },

  ERR_SERVICE_UNAVAILABLE: {
    title: 'The agent lacks a service that it needs',
    advice: 'A speech or language service behind it can’t be reached. Try again shortly, or choose another agent.',
    action: 'retry',
  },
  ERR_SERVICE_FAILED: {
    title: 'A service behind the agent failed',
    advice: 'Try again shortly, or choose another agent.',
    action: 'retry',
  },
  ERR_SERVICE_TIMEOUT: {
    title: 'A service behind the agent is too slow',
    advice: 'Try again shortly, or choose another agent.',
    action: 'retry',
  },

  ERR_REQUEST_MALFORMED: { title: 'The server did not understand the page', advice: OLD_PAGE, action: 'reload' },
  ERR_REQUEST_TOO_LARGE: {
    title: 'That was too long for the server',
    advice: 'Send something shorter.',
    action: 'retry',
  },
  ERR_NOT_FOUND: {
    title: 'The server does not know this address',
    advice: 'Perhaps something else answers at this address and port. Check it, then reload.',
    action: 'reload',
  },
  ERR_METHOD_NOT_ALLOWED: { title: 'The server did not understand the page', advice: OLD_PAGE, action: 'reload' },
  ERR_INTERNAL: { title: 'Something went wrong on our side', advice: OUR_FAULT, action: 'retry' },
};

/** Words for any failure; of codes that this page is too old to know, the server's own message. */
export function failureWords(failure: Failure): FailureWords {
  if (Object.hasOwn(WORDS, failure.code)) return WORDS[failure.code as FailureCode];
  return {
    title: 'The call did not work',
    advice: failure.message || 'Call again; if it stays, report the code below.',
    action: failure.retryable ? 'retry' : 'choose',
  };
}

export interface EndWords {
  title: string;
  advice: string;
  /** Whether it ended as someone wanted, or something broke. */
  tone: 'calm' | 'trouble';
}

const END_WORDS: Record<SessionEnd['code'], EndWords> = {
  'agent-hung-up': { title: 'The agent said goodbye', advice: 'The call ended as it should.', tone: 'calm' },
  'caller-left': { title: 'You hung up', advice: 'What was said stays on this page until you leave it.', tone: 'calm' },
  'caller-lost': {
    title: 'The server lost you',
    advice: 'Nothing was heard from your browser for too long. Check your network and call again.',
    tone: 'trouble',
  },
  deleted: {
    title: 'The call was ended from outside',
    advice: 'Someone who runs this service, or who moderates the room, closed it. You may call again.',
    tone: 'calm',
  },
  'agent-failed': { title: 'The agent broke down', advice: OUR_FAULT, tone: 'trouble' },
  'node-shutdown': {
    title: 'The server is being restarted',
    advice: 'Your call ended with it. Try again in a few seconds.',
    tone: 'trouble',
  },
  expired: {
    title: 'The call reached its time limit',
    advice: 'Calls here may last only so long. Call again to go on.',
    tone: 'calm',
  },
  replaced: {
    title: 'The call went on somewhere else',
    advice: 'It was taken up in another tab or window. Carry on there, or call again here.',
    tone: 'calm',
  },
};

export function endWords(end: SessionEnd): EndWords {
  return END_WORDS[end.code];
}
