/** What is left of the page when drawing it fails: words and a way on, instead of an empty window. */
import { Component, type ReactNode } from 'react';
import { asFailure, type Failure } from '../client/failure.ts';
import { FailureBanner } from './banner.tsx';

interface CrashGuardProps {
  /** Ends the call: nobody could see or leave it any more. */
  onCrash: () => void;
  children: ReactNode;
}

export class CrashGuard extends Component<CrashGuardProps, { failure: Failure | null }> {
  override state: { failure: Failure | null } = { failure: null };

  static getDerivedStateFromError(error: unknown): { failure: Failure } {
    return { failure: asFailure(error) };
  }

  override componentDidCatch(): void {
    this.props.onCrash();
  }

  override render(): ReactNode {
    const { failure } = this.state;
    if (failure === null) return this.props.children;
    return (
      <main className="page crash">
        <FailureBanner failure={failure} />
      </main>
    );
  }
}
