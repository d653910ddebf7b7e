/** What an agent says honestly of itself. */
import type { Notice } from '../client/call-view.ts';
import { InfoIcon, WarningIcon } from './icons.tsx';

const LEVEL_WORDS = { info: 'Note', warning: 'Warning', error: 'Error' } as const;

export function Notices({ notices }: { notices: readonly Notice[] }) {
  if (notices.length === 0) return null;
  return (
    <ul className="notices" data-testid="notices">
      {notices.map((notice) => (
        <li key={notice.code + notice.text} className="notice" data-level={notice.level} data-code={notice.code}>
          {notice.level === 'info' ? <InfoIcon /> : <WarningIcon />}
          <span>
            <span className="visually-hidden">{LEVEL_WORDS[notice.level]}: </span>
            {notice.text}
          </span>
        </li>
      ))}
    </ul>
  );
}
