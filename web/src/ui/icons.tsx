/** The page's icons: 24 x 24, drawn with the text's color, hidden from assistive technology (labels stand beside). */
import type { ReactNode } from 'react';

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

const HANDSET =
  'M5.2 3.8 8 3.3a1.4 1.4 0 0 1 1.5.9l1 2.7a1.4 1.4 0 0 1-.4 1.5L8.7 9.7a12 12 0 0 0 5.6 5.6l1.3-1.4a1.4 1.4 0 0 1 1.5-.4l2.7 1a1.4 1.4 0 0 1 .9 1.5l-.5 2.8a1.6 1.6 0 0 1-1.6 1.4C10.6 20 4 13.400 3.800 5.400a1.600 1.600 0 0 1 1.400-1.600z';

export const PhoneIcon = () => (
  <Icon>
    <path d={HANDSET} fill="currentColor" />
  </Icon>
);

export const HangUpIcon = () => (
  <Icon>
    <path d={HANDSET} fill="currentColor" transform="rotate(135 12 12)" />
  </Icon>
);

export const MicrophoneIcon = () => (
  <Icon>
    <rect x="9" y="3" width="6" height="11" rx="3" fill="currentColor" />
    <path d="M5.500 11.500a6.500 6.500 0 0 0 13 0M12 18v3" className="icon-stroke" />
  </Icon>
);

export const MutedIcon = () => (
  <Icon>
    <path d="M9 8.500V6a3 3 0 0 1 6 0v5.500M14.200 13.300A3 3 0 0 1 9 11.500" className="icon-stroke" />
    <path
      d="M5.500 11.500a6.500 6.500 0 0 0 10.800 4.900M18.500 11.500a6.500 6.500 0 0 1-.6 2.700M12 18v3M4 4l16 16"
      className="icon-stroke"
    />
  </Icon>
);

export const CameraIcon = () => (
  <Icon>
    <rect x="3" y="6.500" width="12" height="11" rx="2.500" className="icon-stroke" />
    <path d="M15 10.500 20.500 7.500v9L15 13.500" className="icon-stroke" />
  </Icon>
);

export const SpeakerIcon = () => (
  <Icon>
    <path d="M4 9.500h3.500L12 5.500v13l-4.500-4H4z" fill="currentColor" />
    <path d="M15.500 9a4 4 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11" className="icon-stroke" />
  </Icon>
);

export const SendIcon = () => (
  <Icon>
    <path d="M5 12h13M12.500 6l6 6-6 6" className="icon-stroke" />
  </Icon>
);

export const WarningIcon = () => (
  <Icon>
    <path d="M12 4 21 19.500H3z" className="icon-stroke" />
    <path d="M12 10v4.500M12 16.800v.2" className="icon-stroke" />
  </Icon>
);

export const ToolIcon = () => (
  <Icon>
    <path
      d="M14.500 6.500a4 4 0 0 1 5.200-1l-2.900 2.900 1.800 1.800 2.900-2.900a4 4 0 0 1-5.400 4.900l-6.900 6.900a1.900 1.900 0 0 1-2.700-2.700l6.900-6.900a4 4 0 0 1 1.100-3z"
      className="icon-stroke"
    />
  </Icon>
);

export const PauseIcon = () => (
  <Icon>
    <path d="M9 6v12M15 6v12" className="icon-stroke" />
  </Icon>
);

export const InfoIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="8.500" className="icon-stroke" />
    <path d="M12 11v5.500M12 7.600v.2" className="icon-stroke" />
  </Icon>
);

/** A globe with its two ends. */
export const BrandMark = () => (
  <svg className="brand-mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <circle cx="16" cy="16" r="12" className="brand-globe" />
    <path d="M7.500 24.500 24.500 7.500" className="brand-axis" />
    <circle cx="7.500" cy="24.500" r="4" className="brand-near" />
    <circle cx="24.500" cy="7.500" r="4" className="brand-far" />
  </svg>
);
