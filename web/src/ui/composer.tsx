/** Words for the agent that are typed. */
import { type FormEvent, useState } from 'react';
import type { Call } from '../client/call.ts';
import { asFailure } from '../client/failure.ts';
import { failureWords } from '../client/failure-words.ts';
import { SendIcon } from './icons.tsx';

const MAX_LENGTH = 4_000;

export function Composer({ call, agentTitle, enabled }: { call: Call; agentTitle: string; enabled: boolean }) {
  const [text, setText] = useState('');
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  async function send(event: FormEvent) {
    event.preventDefault();
    const words = text.trim();
    if (words === '' || sending || !enabled) return;
    setSending(true);
    setProblem(null);
    try {
      await call.sendText(words);
      setText('');
    } catch (error) {
      setProblem(`Not sent. ${failureWords(asFailure(error)).title}.`);
    } finally {
      setSending(false);
    }
  }

  return (
    <form className="composer" onSubmit={send}>
      <label htmlFor="composer-text" className="visually-hidden">
        Type to {agentTitle}
      </label>
      <input
        id="composer-text"
        data-testid="message"
        value={text}
        maxLength={MAX_LENGTH}
        placeholder={`Or type to ${agentTitle}`}
        autoComplete="off"
        enterKeyHint="send"
        aria-describedby={problem ? 'composer-problem' : undefined}
        onChange={(event) => setText(event.target.value)}
      />
      <button
        type="submit"
        data-testid="send"
        aria-label="Send"
        aria-disabled={!enabled || sending || text.trim() === ''}
      >
        <SendIcon />
      </button>
      {problem && (
        <p id="composer-problem" className="composer-problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
