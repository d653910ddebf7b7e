/**
 * The sentences that the front desk understands by itself, as a JSGF grammar for pocketsphinx. Narrow on purpose: each
 * further way to say a thing is another thing to be mistaken for it. dialog.ts gives them their meaning.
 */
import type { SpeechGrammar } from '../../src/agent/index.ts';

const JSGF = `#JSGF V1.0;
grammar frontdesk;

<hour> = one | two | three | four | five | six | seven | eight | nine | ten | eleven | twelve;
<people> = (<hour> | a couple of) (people | persons | guests);
<weekday> = monday | tuesday | wednesday | thursday | friday | saturday | sunday;
<part> = morning | afternoon | evening | night;
<clock> = (half past | quarter past | quarter to) <hour>
        | <hour> (fifteen | thirty | forty five | o'clock)
        | <hour> p m;

<fixed-day> = today | tonight | this (morning | afternoon | evening) | tomorrow [<part>];
<named-day> = (on | this | next) <weekday> [<part>];
<time> = (at | around) (<clock> | <hour> | noon);
<when> = (<fixed-day> | <named-day>) [<time>] | <time> [<fixed-day> | <named-day> | in the evening];

<want> = i would like to | i'd like to | i want to | can i | could i | please;
<book> = [<want>] (book | reserve) a table [for (<people> | <hour>)] [[for] <when>] [please];
<detail> = [for] (<people> | <hour>) [[for] <when>] [please]
         | [for] (<when> | <weekday> [<part>]) [please]
         | [for] <when> for <people> [please]
         | <clock> [please];

<ask-time> = what time is it [now] [please] | what is the time [please] | what's the time [please]
           | [can you | could you] tell me the time [please];
<ask-count> = [please | can you | could you] count to thirty [please];
<leave> = goodbye | bye bye | [no] that is all [thank you] [goodbye] | [no] that's all [thank you] [goodbye]
        | thank you goodbye;
<small> = hello | good morning | good evening | help [please] | what can you do | what can i say
        | yes [please] | no [thank you] | thank you | stop [please] | never mind | cancel | say that again [please];

public <sentence> = <ask-time> | <book> | <detail> | <ask-count> | <leave> | <small>;
`;

export const FRONT_DESK_GRAMMAR: SpeechGrammar = {
  jsgf: JSGF,
  // The dictionary's light L fits a drawn out last word badly.
  pronunciations: { table: ['T EY B AO L'], help: ['HH AE L P'] },
};
